// Thin conversions between JavaScript values and C++ over the C Node-API. Functions that read throw a TypeError into
// JavaScript and return false when the value is of another kind.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

namespace conclave {

// A view of a Uint8Array's memory; valid until control goes back to JavaScript.
struct BytesView {
  const uint8_t* data = nullptr;
  size_t length = 0;
};

// Arguments of a call; missing ones are undefined.
template <size_t kCount>
struct CallArguments {
  napi_value self = nullptr;
  napi_value values[kCount == 0 ? 1 : kCount] = {};

  CallArguments(napi_env env, napi_callback_info info) {
    size_t count = kCount;
    napi_get_cb_info(env, info, &count, values, &self, nullptr);
  }
  napi_value operator[](size_t i) const { return values[i]; }
};

inline napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

inline napi_value NewBoolean(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}

inline napi_value NewNumber(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

inline napi_value NewString(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

inline napi_value NewObject(napi_env env) {
  napi_value value = nullptr;
  napi_create_object(env, &value);
  return value;
}

// A Uint8Array with a copy of the bytes.
inline napi_value NewBytes(napi_env env, const uint8_t* bytes, size_t length) {
  void* memory = nullptr;
  napi_value buffer = nullptr;
  napi_value value = nullptr;
  if (napi_create_arraybuffer(env, length, &memory, &buffer) != napi_ok) return nullptr;
  if (length > 0) memcpy(memory, bytes, length);
  napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &value);
  return value;
}

inline void SetProperty(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

inline bool ReadBytes(napi_env env, napi_value value, BytesView* out) {
  bool is_typed_array = false;
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  if (napi_is_typedarray(env, value, &is_typed_array) == napi_ok && is_typed_array &&
      napi_get_typedarray_info(env, value, &type, &out->length, &data, nullptr, nullptr) == napi_ok &&
      type == napi_uint8_array) {
    out->data = static_cast<const uint8_t*>(data);
    return true;
  }
  napi_throw_type_error(env, nullptr, "expected a Uint8Array");
  return false;
}

inline bool ReadUint32(napi_env env, napi_value value, uint32_t* out) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok && number >= 0 && number <= 0xffffffff) {
    *out = static_cast<uint32_t>(number);
    if (*out == number) return true;
  }
  napi_throw_type_error(env, nullptr, "expected an unsigned 32-bit integer");
  return false;
}

inline bool ReadBoolean(napi_env env, napi_value value, bool* out) {
  if (napi_get_value_bool(env, value, out) == napi_ok) return true;
  napi_throw_type_error(env, nullptr, "expected a boolean");
  return false;
}

// Hands the C++ object to the JavaScript one, with which it dies.
template <typename T>
bool Wrap(napi_env env, napi_value object, std::unique_ptr<T> native) {
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  if (napi_wrap(env, object, native.get(), destroy, nullptr, nullptr) != napi_ok) return false;
  native.release();
  return true;
}

// What Wrap put into the receiver of a method. JavaScript engines let methods run only on instances of their class, so
// the type needs no check. Null, with a TypeError thrown, when the constructor had failed.
template <typename T>
T* Unwrap(napi_env env, napi_value object) {
  void* data = nullptr;
  if (napi_unwrap(env, object, &data) == napi_ok) return static_cast<T*>(data);
  napi_throw_type_error(env, nullptr, "the object was not constructed");
  return nullptr;
}

inline void SetFunction(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) == napi_ok) {
    SetProperty(env, exports, name, function);
  }
}

inline napi_property_descriptor Method(const char* name, napi_callback callback) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_default_method, nullptr};
}

template <size_t kCount>
void SetClass(napi_env env, napi_value exports, const char* name, napi_callback constructor,
              const napi_property_descriptor (&members)[kCount]) {
  napi_value value = nullptr;
  if (napi_define_class(env, name, NAPI_AUTO_LENGTH, constructor, nullptr, kCount, members, &value) == napi_ok) {
    SetProperty(env, exports, name, value);
  }
}

}  // namespace conclave
