// The load generator for JavaScript.
#include <arpa/inet.h>

#include "load_generator.h"
#include "napi_value.h"

namespace bench {
namespace {

using conclave::BytesView;
using conclave::CallArguments;
using conclave::ReadBytes;
using conclave::ReadUint32;
using conclave::Undefined;

struct Handle {
  explicit Handle(napi_threadsafe_function function)
      : wake(function),
        generator(std::make_unique<LoadGenerator>([function] { napi_call_threadsafe_function(function, nullptr, napi_tsfn_nonblocking); })) {}
  ~Handle() { Close(); }
  void Close() {
    generator.reset();
    if (wake != nullptr) napi_release_threadsafe_function(wake, napi_tsfn_abort);
    wake = nullptr;
  }
  napi_threadsafe_function wake;
  std::unique_ptr<LoadGenerator> generator;
};

LoadGenerator* Self(napi_env env, napi_value self) {
  auto* const handle = conclave::Unwrap<Handle>(env, self);
  return handle == nullptr ? nullptr : handle->generator.get();
}

void CallWake(napi_env env, napi_value callback, void*, void*) {
  if (env != nullptr && callback != nullptr) napi_call_function(env, Undefined(env), callback, 0, nullptr, nullptr);
}

napi_value NewNumbers(napi_env env, const std::vector<double>& numbers) {
  void* memory = nullptr;
  napi_value buffer = nullptr;
  napi_value value = nullptr;
  if (napi_create_arraybuffer(env, numbers.size() * sizeof(double), &memory, &buffer) != napi_ok) return nullptr;
  if (!numbers.empty()) memcpy(memory, numbers.data(), numbers.size() * sizeof(double));
  napi_create_typedarray(env, napi_float64_array, numbers.size(), buffer, 0, &value);
  return value;
}

bool ReadNumbers(napi_env env, napi_value value, size_t least, const double** out, size_t* count) {
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, count, &data, nullptr, nullptr) == napi_ok && type == napi_float64_array &&
      *count >= least) {
    *out = static_cast<const double*>(data);
    return true;
  }
  napi_throw_type_error(env, nullptr, "expected a Float64Array");
  return false;
}

sockaddr_in AddressOf(uint32_t address, uint32_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(address);
  to.sin_port = htons(static_cast<uint16_t>(port));
  return to;
}

// new LoadGenerator(onControl)
napi_value New(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  napi_threadsafe_function wake = nullptr;
  if (napi_create_threadsafe_function(env, arguments[0], nullptr, conclave::NewString(env, "load-generator"), 0, 1, nullptr,
                                      nullptr, nullptr, CallWake, &wake) != napi_ok) {
    return nullptr;
  }
  conclave::Wrap(env, arguments.self, std::make_unique<Handle>(wake));
  return arguments.self;
}

// open(address): endpoint, port
napi_value Open(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  uint32_t address = 0;
  uint16_t port = 0;
  if (self == nullptr || !ReadUint32(env, arguments[0], &address)) return nullptr;
  const int endpoint = self->Open(address, &port);
  return NewNumbers(env, {static_cast<double>(endpoint), static_cast<double>(port)});
}

// closeEndpoint(endpoint)
napi_value CloseEndpoint(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  uint32_t endpoint = 0;
  if (self != nullptr && ReadUint32(env, arguments[0], &endpoint)) self->Close(endpoint);
  return Undefined(env);
}

// send(endpoint, address, port, bytes)
napi_value Send(napi_env env, napi_callback_info info) {
  const CallArguments<4> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  uint32_t endpoint = 0, address = 0, port = 0;
  BytesView bytes;
  if (self != nullptr && ReadUint32(env, arguments[0], &endpoint) && ReadUint32(env, arguments[1], &address) &&
      ReadUint32(env, arguments[2], &port) && ReadBytes(env, arguments[3], &bytes)) {
    self->Send(endpoint, AddressOf(address, port), bytes.data, bytes.length);
  }
  return Undefined(env);
}

// setServer(endpoint, address, port)
napi_value SetServer(napi_env env, napi_callback_info info) {
  const CallArguments<3> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  uint32_t endpoint = 0, address = 0, port = 0;
  if (self != nullptr && ReadUint32(env, arguments[0], &endpoint) && ReadUint32(env, arguments[1], &address) &&
      ReadUint32(env, arguments[2], &port)) {
    self->SetServer(endpoint, AddressOf(address, port));
  }
  return Undefined(env);
}

// setKeys(endpoint, profile, sendKey, sendSalt, receiveKey, receiveSalt)
napi_value SetKeys(napi_env env, napi_callback_info info) {
  const CallArguments<6> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  uint32_t endpoint = 0, profile = 0;
  BytesView bytes[4];
  if (self == nullptr || !ReadUint32(env, arguments[0], &endpoint) || !ReadUint32(env, arguments[1], &profile)) return nullptr;
  for (size_t i = 0; i < 4; ++i) {
    if (!ReadBytes(env, arguments[2 + i], &bytes[i])) return nullptr;
  }
  const auto material = [&](size_t i) {
    conclave::SrtpKeyMaterial m{};
    m.profile = static_cast<conclave::SrtpProfile>(profile);
    m.key = bytes[i].data;
    m.key_length = bytes[i].length;
    m.salt = bytes[i + 1].data;
    m.salt_length = bytes[i + 1].length;
    return m;
  };
  return conclave::NewBoolean(env, self->SetKeys(endpoint, material(0), material(2)));
}

// addStream(endpoint, numbers in the order of StreamShape, rid, key, delta, rest)
napi_value AddStream(napi_env env, napi_callback_info info) {
  const CallArguments<6> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  uint32_t endpoint = 0;
  const double* n = nullptr;
  size_t count = 0;
  BytesView bytes[4];
  if (self == nullptr || !ReadUint32(env, arguments[0], &endpoint) || !ReadNumbers(env, arguments[1], 12, &n, &count)) {
    return nullptr;
  }
  for (size_t i = 0; i < 4; ++i) {
    if (!ReadBytes(env, arguments[2 + i], &bytes[i])) return nullptr;
  }
  StreamShape shape;
  shape.ssrc = static_cast<uint32_t>(n[0]);
  shape.payload_type = static_cast<uint8_t>(n[1]);
  shape.audio = n[2] != 0;
  shape.level = static_cast<uint8_t>(n[3]);
  shape.level_id = static_cast<uint8_t>(n[4]);
  shape.abs_send_time_id = static_cast<uint8_t>(n[5]);
  shape.transport_sequence_id = static_cast<uint8_t>(n[6]);
  shape.rid_id = static_cast<uint8_t>(n[7]);
  shape.descriptor_id = static_cast<uint8_t>(n[8]);
  shape.packets = static_cast<int>(n[9]);
  shape.datagram_bytes = static_cast<size_t>(n[10]);
  shape.interval_us = static_cast<int64_t>(n[11]);
  shape.rid.assign(reinterpret_cast<const char*>(bytes[0].data), bytes[0].length);
  for (size_t i = 0; i < 3; ++i) shape.descriptors[i].assign(bytes[1 + i].data, bytes[1 + i].data + bytes[1 + i].length);
  return conclave::NewNumber(env, self->AddStream(endpoint, shape));
}

// run(streams, speed)
napi_value Run(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  const double* n = nullptr;
  size_t count = 0;
  double speed = 1;
  if (self == nullptr || !ReadNumbers(env, arguments[0], 0, &n, &count)) return nullptr;
  napi_get_value_double(env, arguments[1], &speed);
  std::vector<uint32_t> streams;
  for (size_t i = 0; i < count; ++i) streams.push_back(static_cast<uint32_t>(n[i]));
  self->Run(streams, speed);
  return Undefined(env);
}

napi_value Drain(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  if (self == nullptr) return nullptr;
  const std::vector<uint8_t> records = self->Drain();
  return conclave::NewBytes(env, records.data(), records.size());
}

// read(): the numbers of Stats in order
napi_value Read(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  if (self == nullptr) return nullptr;
  const Stats s = self->Read();
  std::vector<double> numbers;
  for (const uint64_t v : {s.received, s.bytes, s.checked, s.bad, s.reports, s.cpu_us}) numbers.push_back(static_cast<double>(v));
  for (const double v : {s.p50_us, s.p99_us, s.p999_us}) numbers.push_back(v);
  return NewNumbers(env, numbers);
}

napi_value SentByStream(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  return self == nullptr ? nullptr : NewNumbers(env, self->SentByStream());
}

napi_value ReceivedByEndpoint(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  LoadGenerator* self = Self(env, arguments.self);
  return self == nullptr ? nullptr : NewNumbers(env, self->ReceivedByEndpoint());
}

napi_value Close(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const handle = conclave::Unwrap<Handle>(env, arguments.self);
  if (handle != nullptr) handle->Close();
  return Undefined(env);
}

}  // namespace
}  // namespace bench

NAPI_MODULE_INIT() {
  using conclave::Method;
  conclave::SetClass(env, exports, "LoadGenerator", bench::New,
                     {Method("open", bench::Open), Method("closeEndpoint", bench::CloseEndpoint), Method("send", bench::Send),
                      Method("setServer", bench::SetServer), Method("setKeys", bench::SetKeys),
                      Method("addStream", bench::AddStream), Method("run", bench::Run), Method("drain", bench::Drain),
                      Method("read", bench::Read), Method("sentByStream", bench::SentByStream),
                      Method("receivedByEndpoint", bench::ReceivedByEndpoint), Method("close", bench::Close)});
  return exports;
}
