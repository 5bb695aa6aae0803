#include "crypto_binding.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "dtls.h"
#include "identity.h"
#include "napi_value.h"

namespace conclave {
namespace {

// Marks the objects that generateDtlsIdentity made, so that no other can stand in for one.
constexpr napi_type_tag kIdentityTag = {0x6b1f0c7e5d0a4f3b, 0x9a4de2f81c37b605};
// OpenSSL's least for DTLS, and the most an Ethernet carries.
constexpr uint32_t kMinMtu = 256;
constexpr uint32_t kMaxMtu = 1500;

napi_value NewIdentity(napi_env env, std::unique_ptr<Identity> identity) {
  const napi_value object = NewObject(env);
  const std::vector<uint8_t>& der = identity->certificate_der();
  SetProperty(env, object, "fingerprint", NewString(env, identity->fingerprint()));
  SetProperty(env, object, "certificateDer", NewBytes(env, der.data(), der.size()));
  if (napi_type_tag_object(env, object, &kIdentityTag) != napi_ok || !Wrap(env, object, std::move(identity))) {
    return nullptr;
  }
  napi_object_freeze(env, object);
  return object;
}

napi_value GenerateIdentity(napi_env env, napi_callback_info) {
  std::unique_ptr<Identity> identity = Identity::Generate();
  if (identity == nullptr) {
    napi_throw_error(env, nullptr, "OpenSSL could not make a DTLS identity");
    return nullptr;
  }
  return NewIdentity(env, std::move(identity));
}

std::string TextOf(const BytesView& bytes) { return std::string(reinterpret_cast<const char*>(bytes.data), bytes.length); }

// (certificatePem, keyPem, authorityPem) => identity
napi_value LoadIdentity(napi_env env, napi_callback_info info) {
  const CallArguments<3> arguments(env, info);
  BytesView certificate;
  BytesView key;
  BytesView authority;
  if (!ReadBytes(env, arguments[0], &certificate) || !ReadBytes(env, arguments[1], &key) ||
      !ReadBytes(env, arguments[2], &authority)) {
    return nullptr;
  }
  std::string key_text = TextOf(key);
  std::string problem;
  std::unique_ptr<Identity> identity = Identity::Load(TextOf(certificate), key_text, TextOf(authority), &problem);
  OPENSSL_cleanse(&key_text[0], key_text.size());
  if (identity == nullptr) {
    napi_throw_error(env, nullptr, problem.c_str());
    return nullptr;
  }
  return NewIdentity(env, std::move(identity));
}

bool ReadIdentity(napi_env env, napi_value value, Identity** out) {
  napi_valuetype type = napi_undefined;
  bool is_identity = false;
  void* data = nullptr;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_object &&
      napi_check_object_type_tag(env, value, &kIdentityTag, &is_identity) == napi_ok && is_identity &&
      napi_unwrap(env, value, &data) == napi_ok) {
    *out = static_cast<Identity*>(data);
    return true;
  }
  napi_throw_type_error(env, nullptr, "the identity was not made by generateDtlsIdentity");
  return false;
}

bool ReadProfiles(napi_env env, napi_value value, std::vector<SrtpProfile>* out) {
  uint32_t count = 0;
  if (napi_get_array_length(env, value, &count) != napi_ok) {
    napi_throw_type_error(env, nullptr, "expected an array of SRTP profiles");
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    uint32_t number = 0;
    if (napi_get_element(env, value, i, &element) != napi_ok || !ReadUint32(env, element, &number)) return false;
    const auto profile = static_cast<SrtpProfile>(number);
    if (number > 0xffff || SrtpKeyLength(profile) == 0 || std::find(out->begin(), out->end(), profile) != out->end()) {
      napi_throw_type_error(env, nullptr, "unknown or repeated SRTP profile");
      return false;
    }
    out->push_back(profile);
  }
  return true;
}

// new DtlsSession(identity, isServer, srtpProfiles, mtu)
napi_value NewSession(napi_env env, napi_callback_info info) {
  const CallArguments<4> arguments(env, info);
  Identity* identity = nullptr;
  bool is_server = false;
  std::vector<SrtpProfile> profiles;
  uint32_t mtu = 0;
  if (!ReadIdentity(env, arguments[0], &identity) || !ReadBoolean(env, arguments[1], &is_server) ||
      !ReadProfiles(env, arguments[2], &profiles) || !ReadUint32(env, arguments[3], &mtu)) {
    return nullptr;
  }
  if (mtu < kMinMtu || mtu > kMaxMtu) {
    napi_throw_range_error(env, nullptr, "the mtu must be from 256 to 1500");
    return nullptr;
  }
  const DtlsRole role = is_server ? DtlsRole::kServer : DtlsRole::kClient;
  std::unique_ptr<DtlsSession> session = DtlsSession::Create(identity, role, profiles, mtu);
  if (session == nullptr) {
    napi_throw_error(env, nullptr, "OpenSSL could not make a DTLS session");
    return nullptr;
  }
  Wrap(env, arguments.self, std::move(session));
  return arguments.self;
}

// Milliseconds until the next handleTimeout, rounded up; negative when none is wanted.
napi_value NewTimeout(napi_env env, const DtlsSession& session) {
  const int64_t left = session.TimeoutMicroseconds();
  return NewNumber(env, left < 0 ? -1 : static_cast<double>((left + 999) / 1000));
}

napi_value Start(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const session = Unwrap<DtlsSession>(env, arguments.self);
  if (session == nullptr) return nullptr;
  session->Start();
  return NewTimeout(env, *session);
}

napi_value HandlePacket(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  auto* const session = Unwrap<DtlsSession>(env, arguments.self);
  BytesView bytes;
  if (session == nullptr || !ReadBytes(env, arguments[0], &bytes)) return nullptr;
  session->HandlePacket(bytes.data, bytes.length);
  return NewTimeout(env, *session);
}

napi_value HandleTimeout(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const session = Unwrap<DtlsSession>(env, arguments.self);
  if (session == nullptr) return nullptr;
  session->HandleTimeout();
  return NewTimeout(env, *session);
}

napi_value PollTransmit(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const session = Unwrap<DtlsSession>(env, arguments.self);
  std::vector<uint8_t> datagram;
  if (session == nullptr || !session->PollTransmit(&datagram)) return nullptr;
  return NewBytes(env, datagram.data(), datagram.size());
}

napi_value NewKeys(napi_env env, const DtlsSrtpKeys& keys) {
  const size_t key_length = SrtpKeyLength(keys.profile);
  const size_t salt_length = SrtpSaltLength(keys.profile);
  const napi_value object = NewObject(env);
  SetProperty(env, object, "profile", NewNumber(env, static_cast<double>(keys.profile)));
  SetProperty(env, object, "receiveKey", NewBytes(env, keys.receive_key, key_length));
  SetProperty(env, object, "receiveSalt", NewBytes(env, keys.receive_salt, salt_length));
  SetProperty(env, object, "sendKey", NewBytes(env, keys.send_key, key_length));
  SetProperty(env, object, "sendSalt", NewBytes(env, keys.send_salt, salt_length));
  return object;
}

// The event in the shape of the TypeScript type DtlsEvent.
napi_value PollEvent(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const session = Unwrap<DtlsSession>(env, arguments.self);
  DtlsEvent event = {};
  if (session == nullptr || !session->PollEvent(&event)) return nullptr;
  const napi_value object = NewObject(env);
  switch (event.type) {
    case DtlsEvent::Type::kConnected:
      SetProperty(env, object, "type", NewString(env, "connected"));
      SetProperty(env, object, "peerFingerprint", NewString(env, event.peer_fingerprint));
      SetProperty(env, object, "peerCertificateDer",
                  NewBytes(env, event.peer_certificate_der.data(), event.peer_certificate_der.size()));
      SetProperty(env, object, "srtpKeys",
                  event.srtp_keys == nullptr ? Undefined(env) : NewKeys(env, *event.srtp_keys));
      break;
    case DtlsEvent::Type::kData:
      SetProperty(env, object, "type", NewString(env, "data"));
      SetProperty(env, object, "bytes", NewBytes(env, event.bytes.data(), event.bytes.size()));
      break;
    case DtlsEvent::Type::kClosed:
      SetProperty(env, object, "type", NewString(env, "closed"));
      SetProperty(env, object, "reason", NewString(env, event.reason));
      break;
  }
  return object;
}

// (bytes) => whether they were sent
napi_value Send(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  auto* const session = Unwrap<DtlsSession>(env, arguments.self);
  BytesView bytes;
  if (session == nullptr || !ReadBytes(env, arguments[0], &bytes)) return nullptr;
  return NewBoolean(env, session->Send(bytes.data, bytes.length));
}

napi_value Close(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const session = Unwrap<DtlsSession>(env, arguments.self);
  if (session != nullptr) session->Close();
  return nullptr;
}

}  // namespace

void RegisterCrypto(napi_env env, napi_value exports) {
  SetFunction(env, exports, "generateDtlsIdentity", GenerateIdentity);
  SetFunction(env, exports, "loadDtlsIdentity", LoadIdentity);
  SetClass(env, exports, "DtlsSession", NewSession,
           {Method("start", Start), Method("handlePacket", HandlePacket), Method("handleTimeout", HandleTimeout),
            Method("pollTransmit", PollTransmit), Method("pollEvent", PollEvent), Method("send", Send),
            Method("close", Close)});
  RegisterSrtp(env, exports);
}

}  // namespace conclave
