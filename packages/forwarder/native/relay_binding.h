// What JavaScript sees of the relay plane.
#pragma once

#include <node_api.h>

namespace conclave {

void RegisterRelay(napi_env env, napi_value exports);

}  // namespace conclave
