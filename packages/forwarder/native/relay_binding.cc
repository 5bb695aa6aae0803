#include "relay_binding.h"

#include <errno.h>
#include <string.h>

#include <cmath>

#include "command.h"
#include "napi_value.h"
#include "relay_harness.h"
#include "relay_thread.h"

namespace conclave {
namespace {

// Kinds of read.
enum ReadKind : uint32_t { kReadTotals = 0, kReadCounters = 1 };

napi_value NewNumbers(napi_env env, const std::vector<double>& numbers) {
  void* memory = nullptr;
  napi_value buffer = nullptr;
  napi_value value = nullptr;
  if (napi_create_arraybuffer(env, numbers.size() * sizeof(double), &memory, &buffer) != napi_ok) return nullptr;
  if (!numbers.empty()) memcpy(memory, numbers.data(), numbers.size() * sizeof(double));
  napi_create_typedarray(env, napi_float64_array, numbers.size(), buffer, 0, &value);
  return value;
}

std::shared_ptr<const TlsContexts> MakeContexts(napi_env env, const std::string& certificate, const std::string& key) {
  auto contexts = TlsContexts::Make(certificate, key);
  if (contexts == nullptr) {
    napi_throw_type_error(env, nullptr, "certificate and private key cannot be read, or do not belong together");
    return nullptr;
  }
  DtlsServer::PrepareContext(contexts->datagram.get());
  return contexts;
}

// The threads of one relay plane and the way back to JavaScript.
class RelayHandle {
 public:
  ~RelayHandle() {
    StopAtExit(nullptr);
    Close();
  }

  // Has the threads stopped before the environment goes, if nobody closes the plane; null takes that back.
  void StopAtExit(napi_env env) {
    const auto hook = [](void* data) { static_cast<RelayHandle*>(data)->Close(); };
    if (hooked_env_ != nullptr) napi_remove_env_cleanup_hook(hooked_env_, hook, this);
    hooked_env_ = env;
    if (env != nullptr) napi_add_env_cleanup_hook(env, hook, this);
  }

  void Close() {
    // All must have stopped before the first goes: they hand connections to each other.
    for (auto& thread : threads) thread->Stop();
    threads.clear();
    if (wake != nullptr) napi_release_threadsafe_function(wake, napi_tsfn_abort);
    wake = nullptr;
  }

  std::vector<std::unique_ptr<RelayThread>> threads;
  std::vector<NetAddress> bound;
  napi_threadsafe_function wake = nullptr;

 private:
  napi_env hooked_env_ = nullptr;
};

void CallWake(napi_env env, napi_value callback, void*, void*) {
  if (env == nullptr || callback == nullptr) return;
  // An exception of the callback becomes an uncaught one when control returns to the event loop.
  napi_call_function(env, Undefined(env), callback, 0, nullptr, nullptr);
}

bool ThrowErrno(napi_env env, const char* what, const NetAddress& address) {
  const std::string text = std::string("cannot bind ") + what + " port " + std::to_string(address.port) + ": " + strerror(errno);
  napi_throw_error(env, errno == EADDRINUSE ? "EADDRINUSE" : nullptr, text.c_str());
  return false;
}

struct RelaySetup {
  RelayThreadOptions options;
  std::shared_ptr<TcpLimits> limits;
  uint32_t threads = 1;
  std::vector<RelayListenerRequest> listeners;
  std::vector<RelayAddressRange> ranges;
};

RelaySetup ReadSetup(FieldReader* r) {
  RelaySetup setup;
  RelayThreadOptions& o = setup.options;
  o.messages_per_second = r->U32();
  o.first_peer_port = r->U16();
  o.last_peer_port = r->U16();
  o.handshake_timeout_us = std::llround(r->F64());
  o.idle_timeout_us = std::llround(r->F64());
  o.stream_queue_bytes = r->U32();
  o.socket_buffer_bytes = static_cast<int>(r->U32() & 0x7fffffff);
  o.relay_buffer_bytes = static_cast<int>(r->U32() & 0x7fffffff);
  o.segmentation_offload = r->U8() != 0;
  o.gather_us = std::llround(r->F64());
  const size_t max_connections = r->U32();
  const size_t max_per_address = r->U32();
  setup.limits = std::make_shared<TcpLimits>(max_connections, max_per_address);
  setup.threads = r->U8();
  const size_t listeners = r->U16();
  for (size_t i = 0; i < listeners && r->ok(); ++i) {
    const auto transport = static_cast<RelayTransport>(r->U8() & 3);
    setup.listeners.push_back({transport, r->Path().remote});
  }
  const size_t ranges = r->U8();
  for (size_t i = 0; i < ranges && r->ok(); ++i) {
    RelayAddressRange range;
    range.address = r->Path().remote;
    range.first_port = r->U16();
    range.last_port = r->U16();
    range.shared = r->U8() != 0;
    range.shared_port = r->U16();
    setup.ranges.push_back(range);
  }
  return setup;
}

bool OpenListeners(napi_env env, const RelaySetup& setup, RelayHandle* handle) {
  static constexpr const char* kNames[] = {"UDP", "TCP", "TLS", "DTLS"};
  for (RelayListenerRequest request : setup.listeners) {
    NetAddress bound;
    for (auto& thread : handle->threads) {
      if (!thread->Listen(request, setup.threads > 1, &bound)) {
        return ThrowErrno(env, kNames[static_cast<size_t>(request.transport)], request.address);
      }
      // With port 0 the others join the first.
      request.address.port = bound.port;
    }
    handle->bound.push_back(bound);
  }
  return true;
}

bool OpenShared(napi_env env, const RelaySetup& setup, RelayHandle* handle, std::vector<NetAddress>* shared) {
  for (const RelayAddressRange& range : setup.ranges) {
    if (!range.shared) continue;
    NetAddress address = range.address;
    address.port = range.shared_port;
    for (auto& thread : handle->threads) {
      NetAddress bound;
      if (!thread->OpenShared(address, &bound)) return ThrowErrno(env, "relay", address);
      shared->push_back(bound);
      if (address.port != 0) ++address.port;
    }
  }
  return true;
}

bool OpenPlane(napi_env env, RelayHandle* handle, FieldReader* r) {
  const RelaySetup setup = ReadSetup(r);
  const bool has_certificate = r->U8() != 0;
  const std::string certificate = r->Text();
  const std::string key = r->Text();
  if (!r->ok() || setup.threads == 0 || setup.threads > RelayThread::kMaxThreads) {
    napi_throw_type_error(env, nullptr, "malformed relay options");
    return false;
  }
  std::shared_ptr<const TlsContexts> contexts;
  if (has_certificate) {
    contexts = MakeContexts(env, certificate, key);
    if (contexts == nullptr) return false;
  }
  const auto pool = std::make_shared<PortPool>(setup.ranges);
  for (uint32_t i = 0; i < setup.threads; ++i) {
    const napi_threadsafe_function wake = handle->wake;
    handle->threads.push_back(
        std::make_unique<RelayThread>(setup.options, i, pool, setup.limits, contexts,
                                      [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); }));
  }
  std::vector<NetAddress> shared;
  if (!OpenListeners(env, setup, handle) || !OpenShared(env, setup, handle, &shared)) return false;
  std::vector<RelayThread*> threads;
  for (auto& thread : handle->threads) threads.push_back(thread.get());
  for (auto& thread : handle->threads) {
    if (thread->Start(threads, shared)) continue;
    napi_throw_error(env, nullptr, "cannot start a relay thread");
    return false;
  }
  return true;
}

// new NativeRelayPlane(options, onWake)
napi_value NewPlane(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  BytesView options;
  if (!ReadBytes(env, arguments[0], &options)) return nullptr;
  auto handle = std::make_unique<RelayHandle>();
  napi_value name = NewString(env, "conclave-relay");
  if (napi_create_threadsafe_function(env, arguments[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr, CallWake,
                                      &handle->wake) != napi_ok) {
    napi_throw_type_error(env, nullptr, "expected a function");
    return nullptr;
  }
  FieldReader reader(options.data, options.length);
  if (!OpenPlane(env, handle.get(), &reader)) return nullptr;
  RelayHandle* const raw = handle.get();
  if (!Wrap(env, arguments.self, std::move(handle))) return nullptr;
  raw->StopAtExit(env);
  return arguments.self;
}

// ports(): of the listeners in the order of the requests
napi_value Ports(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  const auto* const handle = Unwrap<RelayHandle>(env, arguments.self);
  if (handle == nullptr) return nullptr;
  std::vector<double> numbers;
  for (const NetAddress& address : handle->bound) numbers.push_back(address.port);
  return NewNumbers(env, numbers);
}

// post(thread, commands)
napi_value Post(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  auto* const handle = Unwrap<RelayHandle>(env, arguments.self);
  uint32_t thread = 0;
  BytesView commands;
  if (handle == nullptr || !ReadUint32(env, arguments[0], &thread) || !ReadBytes(env, arguments[1], &commands)) {
    return nullptr;
  }
  if (thread < handle->threads.size()) handle->threads[thread]->Post(commands.data, commands.length);
  return Undefined(env);
}

// drain(): the event records of all threads
napi_value Drain(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const handle = Unwrap<RelayHandle>(env, arguments.self);
  if (handle == nullptr) return nullptr;
  std::vector<uint8_t> records;
  for (auto& thread : handle->threads) thread->DrainEvents(&records);
  return NewBytes(env, records.data(), records.size());
}

// read(thread, kind)
napi_value ReadThread(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  auto* const handle = Unwrap<RelayHandle>(env, arguments.self);
  uint32_t index = 0;
  uint32_t kind = 0;
  if (handle == nullptr || !ReadUint32(env, arguments[0], &index) || !ReadUint32(env, arguments[1], &kind)) return nullptr;
  std::vector<double> numbers;
  if (index < handle->threads.size()) {
    RelayThread* const thread = handle->threads[index].get();
    thread->Run([&] { kind == kReadTotals ? thread->ReadTotals(&numbers) : thread->ReadCounters(&numbers); });
  }
  return NewNumbers(env, numbers);
}

// setCertificate(certificate and key, as two texts)
napi_value SetCertificate(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  auto* const handle = Unwrap<RelayHandle>(env, arguments.self);
  BytesView fields;
  if (handle == nullptr || !ReadBytes(env, arguments[0], &fields)) return nullptr;
  FieldReader r(fields.data, fields.length);
  const std::string certificate = r.Text();
  const std::string key = r.Text();
  const auto contexts = MakeContexts(env, certificate, key);
  if (contexts == nullptr) return nullptr;
  for (auto& thread : handle->threads) thread->SetContexts(contexts);
  return Undefined(env);
}

napi_value ClosePlane(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const handle = Unwrap<RelayHandle>(env, arguments.self);
  if (handle == nullptr) return nullptr;
  handle->StopAtExit(nullptr);
  handle->Close();
  return Undefined(env);
}

// new NativeRelayHarness(messagesPerSecond, seed)
napi_value NewHarness(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  uint32_t messages_per_second = 0;
  uint32_t seed = 0;
  if (!ReadUint32(env, arguments[0], &messages_per_second) || !ReadUint32(env, arguments[1], &seed)) return nullptr;
  Wrap(env, arguments.self, std::make_unique<RelayHarness>(messages_per_second, seed));
  return arguments.self;
}

napi_value HarnessExecute(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  auto* const harness = Unwrap<RelayHarness>(env, arguments.self);
  BytesView commands;
  if (harness == nullptr || !ReadBytes(env, arguments[0], &commands)) return nullptr;
  ExecuteRelayCommands(harness, commands.data, commands.length);
  return Undefined(env);
}

// step(nowUs, source fields, bytes). Fields: u8 0 and a client, or u8 1, a relay and a peer.
napi_value HarnessStep(napi_env env, napi_callback_info info) {
  const CallArguments<3> arguments(env, info);
  auto* const harness = Unwrap<RelayHarness>(env, arguments.self);
  double now = 0;
  BytesView source;
  BytesView bytes;
  if (harness == nullptr || napi_get_value_double(env, arguments[0], &now) != napi_ok ||
      !ReadBytes(env, arguments[1], &source) || !ReadBytes(env, arguments[2], &bytes)) {
    return nullptr;
  }
  const int64_t now_us = std::llround(now);
  FieldReader r(source.data, source.length);
  if (r.U8() == 0) {
    harness->FromClient(now_us, ReadRelayClient(&r), bytes.data, bytes.length);
  } else {
    const RelayId relay = r.U32();
    harness->FromPeer(now_us, relay, r.Path().remote, bytes.data, bytes.length);
  }
  napi_value result = NewObject(env);
  SetProperty(env, result, "sent", NewBytes(env, harness->sent.data(), harness->sent.size()));
  SetProperty(env, result, "events", NewBytes(env, harness->events.data(), harness->events.size()));
  harness->sent.clear();
  harness->events.clear();
  return result;
}

napi_value HarnessRead(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  auto* const harness = Unwrap<RelayHarness>(env, arguments.self);
  uint32_t kind = 0;
  if (harness == nullptr || !ReadUint32(env, arguments[0], &kind)) return nullptr;
  std::vector<double> numbers;
  if (kind == kReadTotals) {
    harness->table().ReadTotals(&numbers);
  } else {
    for (const uint64_t cell : harness->table().counters().cells) numbers.push_back(static_cast<double>(cell));
  }
  return NewNumbers(env, numbers);
}

}  // namespace

void RegisterRelay(napi_env env, napi_value exports) {
  SetClass(env, exports, "NativeRelayPlane", NewPlane,
           {Method("ports", Ports), Method("post", Post), Method("drain", Drain), Method("read", ReadThread),
            Method("setCertificate", SetCertificate), Method("close", ClosePlane)});
  SetClass(env, exports, "NativeRelayHarness", NewHarness,
           {Method("execute", HarnessExecute), Method("step", HarnessStep), Method("read", HarnessRead)});
  napi_value names = nullptr;
  napi_create_array_with_length(env, kRelayCounterCount, &names);
  for (uint32_t i = 0; i < kRelayCounterCount; ++i) napi_set_element(env, names, i, NewString(env, kRelayCounterNames[i]));
  SetProperty(env, exports, "relayCounterNames", names);
}

}  // namespace conclave
