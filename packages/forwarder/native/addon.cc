// The addon's entry: hands the exports object to each half.
#include <node_api.h>

#include "crypto_binding.h"
#include "forwarder_binding.h"

NAPI_MODULE_INIT() {
  conclave::RegisterCrypto(env, exports);
  conclave::RegisterForwarder(env, exports);
  return exports;
}
