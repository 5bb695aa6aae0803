// SRTP contexts for JavaScript: one packet at a time, for tests and tools. The forwarding threads use the C++ classes.
#include <vector>

#include "crypto_binding.h"
#include "napi_value.h"
#include "srtp.h"
#include "srtp_index.h"
#include "srtp_keys.h"

namespace conclave {
namespace {

// No datagram is larger.
constexpr size_t kMaxPacketBytes = 65535;

// Reads (profile, key, salt). The views live as long as the arguments.
bool ReadMaterial(napi_env env, const napi_value* values, SrtpKeyMaterial* out) {
  uint32_t profile = 0;
  BytesView key;
  BytesView salt;
  if (!ReadUint32(env, values[0], &profile) || !ReadBytes(env, values[1], &key) || !ReadBytes(env, values[2], &salt)) {
    return false;
  }
  out->profile = static_cast<SrtpProfile>(profile);
  out->key = key.data;
  out->key_length = key.length;
  out->salt = salt.data;
  out->salt_length = salt.length;
  if (profile <= 0xffff && SrtpKeyLength(out->profile) != 0) return true;
  napi_throw_type_error(env, nullptr, "unknown SRTP profile");
  return false;
}

// new SrtpSender(profile, key, salt, keysAreSession, rolloverCounter, rtcpIndex)
napi_value NewSender(napi_env env, napi_callback_info info) {
  const CallArguments<6> arguments(env, info);
  SrtpKeyMaterial material = {};
  SrtpStart start;
  if (!ReadMaterial(env, arguments.values, &material) ||
      !ReadBoolean(env, arguments[3], &material.is_session_key) ||
      !ReadUint32(env, arguments[4], &start.rollover_counter) || !ReadUint32(env, arguments[5], &start.rtcp_index)) {
    return nullptr;
  }
  std::unique_ptr<SrtpSender> sender = SrtpSender::Create(material, start);
  if (sender == nullptr) {
    napi_throw_type_error(env, nullptr, "key or salt do not fit the SRTP profile");
    return nullptr;
  }
  Wrap(env, arguments.self, std::move(sender));
  return arguments.self;
}

// new SrtpReceiver(profile, key, salt, keysAreSession, maxSsrcs)
napi_value NewReceiver(napi_env env, napi_callback_info info) {
  const CallArguments<5> arguments(env, info);
  SrtpKeyMaterial material = {};
  uint32_t max_ssrcs = 0;
  if (!ReadMaterial(env, arguments.values, &material) ||
      !ReadBoolean(env, arguments[3], &material.is_session_key) || !ReadUint32(env, arguments[4], &max_ssrcs)) {
    return nullptr;
  }
  std::unique_ptr<SrtpReceiver> receiver = SrtpReceiver::Create(material, max_ssrcs);
  if (receiver == nullptr) {
    napi_throw_type_error(env, nullptr, "key or salt do not fit the SRTP profile");
    return nullptr;
  }
  Wrap(env, arguments.self, std::move(receiver));
  return arguments.self;
}

SrtpStatus Run(SrtpSender* sender, bool is_rtcp, std::vector<uint8_t>* packet, size_t* length) {
  return is_rtcp ? sender->ProtectRtcp(packet->data(), length, packet->size())
                 : sender->ProtectRtp(packet->data(), length, packet->size());
}

SrtpStatus Run(SrtpReceiver* receiver, bool is_rtcp, std::vector<uint8_t>* packet, size_t* length) {
  uint64_t extended_sequence = 0;
  return is_rtcp ? receiver->UnprotectRtcp(packet->data(), length)
                 : receiver->UnprotectRtp(packet->data(), length, &extended_sequence);
}

// (bytes) => Uint8Array, or the status as a number.
template <typename Context, bool kIsRtcp>
napi_value Process(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  auto* const context = Unwrap<Context>(env, arguments.self);
  BytesView bytes;
  if (context == nullptr || !ReadBytes(env, arguments[0], &bytes)) return nullptr;
  if (bytes.length > kMaxPacketBytes) return NewNumber(env, static_cast<double>(SrtpStatus::kMalformed));
  std::vector<uint8_t> packet(bytes.length + kSrtpMaxTrailer);
  if (bytes.length > 0) memcpy(packet.data(), bytes.data, bytes.length);
  size_t length = bytes.length;
  const SrtpStatus status = Run(context, kIsRtcp, &packet, &length);
  if (status != SrtpStatus::kOk) return NewNumber(env, static_cast<double>(status));
  return NewBytes(env, packet.data(), length);
}

// deriveSrtpSessionKeys(profile, key, salt, isRtcp) => { key, authKey, salt }
napi_value DeriveKeys(napi_env env, napi_callback_info info) {
  const CallArguments<4> arguments(env, info);
  SrtpKeyMaterial material = {};
  bool is_rtcp = false;
  if (!ReadMaterial(env, arguments.values, &material) || !ReadBoolean(env, arguments[3], &is_rtcp)) return nullptr;
  const SrtpStreamKind kind = is_rtcp ? SrtpStreamKind::kRtcp : SrtpStreamKind::kRtp;
  SrtpSessionKeys keys;
  if (!DeriveSrtpSessionKeys(material, kind, &keys)) {
    napi_throw_type_error(env, nullptr, "key or salt do not fit the SRTP profile");
    return nullptr;
  }
  const napi_value result = NewObject(env);
  SetProperty(env, result, "key", NewBytes(env, keys.key, SrtpKeyLength(material.profile)));
  SetProperty(env, result, "authKey", NewBytes(env, keys.auth_key, kSrtpAuthKeyLength));
  SetProperty(env, result, "salt", NewBytes(env, keys.salt, SrtpSaltLength(material.profile)));
  return result;
}

}  // namespace

void RegisterSrtp(napi_env env, napi_value exports) {
  SetClass(env, exports, "SrtpSender", NewSender,
           {Method("protectRtp", Process<SrtpSender, false>), Method("protectRtcp", Process<SrtpSender, true>)});
  SetClass(env, exports, "SrtpReceiver", NewReceiver,
           {Method("unprotectRtp", Process<SrtpReceiver, false>), Method("unprotectRtcp", Process<SrtpReceiver, true>)});
  SetFunction(env, exports, "deriveSrtpSessionKeys", DeriveKeys);
}

}  // namespace conclave
