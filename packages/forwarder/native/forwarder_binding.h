// What JavaScript sees of the forwarding plane: threads with sockets, and the harness without.
#pragma once

#include <node_api.h>

namespace conclave {

// Adds the classes NativeForwarder and NativeHarness and the list `counterNames` to `exports`.
void RegisterForwarder(napi_env env, napi_value exports);

}  // namespace conclave
