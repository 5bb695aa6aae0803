// What JavaScript sees of DTLS, identities and SRTP contexts.
#pragma once

#include <node_api.h>

namespace conclave {

// Adds the classes and functions of DTLS and SRTP to `exports`.
void RegisterCrypto(napi_env env, napi_value exports);

// The SRTP part of it.
void RegisterSrtp(napi_env env, napi_value exports);

}  // namespace conclave
