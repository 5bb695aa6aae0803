// The addon's entry: hands the exports object to each part.
#include <node_api.h>

#include "crypto_binding.h"
#include "forwarder_binding.h"
#include "relay_binding.h"

NAPI_MODULE_INIT() {
  conclave::RegisterCrypto(env, exports);
  conclave::RegisterForwarder(env, exports);
  conclave::RegisterRelay(env, exports);
  return exports;
}
