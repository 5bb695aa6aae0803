#include "forwarder_binding.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <cmath>

#include "command.h"
#include "harness.h"
#include "io_thread.h"
#include "napi_value.h"

namespace conclave {
namespace {

// Kinds of readX.
enum ReadKind : uint32_t { kReadAudioLevels = 0, kReadIngressStats = 1, kReadEgressStats = 2, kReadCounters = 3 };

void Read(FlowTable* table, uint32_t kind, std::vector<double>* out) {
  switch (kind) {
    case kReadAudioLevels: return table->ReadAudioLevels(out);
    case kReadIngressStats: return table->ReadIngressStats(out);
    case kReadEgressStats: return table->ReadEgressStats(out);
    case kReadCounters: {
      for (const uint64_t cell : table->counters().cells) out->push_back(static_cast<double>(cell));
      return;
    }
    default: return;
  }
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

// The numbers that both constructors begin with.
TableOptions ReadTableOptions(FieldReader* r) {
  TableOptions o;
  o.transport_feedback_interval_us = std::llround(r->F64());
  o.report_interval_us = std::llround(r->F64());
  o.onset_level = r->U8();
  o.stun_per_second = r->U32();
  o.max_ssrcs_per_peer = r->U32();
  return o;
}

// The threads of one forwarder and the way back to JavaScript.
class ForwarderHandle {
 public:
  ~ForwarderHandle() {
    StopAtExit(nullptr);
    Close();
  }

  // Has the threads stopped before the environment goes, if nobody closes the forwarder; null takes that back.
  void StopAtExit(napi_env env) {
    const auto hook = [](void* data) { static_cast<ForwarderHandle*>(data)->Close(); };
    if (hooked_env_ != nullptr) napi_remove_env_cleanup_hook(hooked_env_, hook, this);
    hooked_env_ = env;
    if (env != nullptr) napi_add_env_cleanup_hook(env, hook, this);
  }

  void Close() {
    for (auto& thread : threads) thread->Stop();
    if (wake != nullptr) napi_release_threadsafe_function(wake, napi_tsfn_abort);
    wake = nullptr;
  }

  std::vector<std::unique_ptr<IoThread>> threads;
  std::vector<BoundSocket> bound;
  napi_threadsafe_function wake = nullptr;

 private:
  napi_env hooked_env_ = nullptr;
};

void CallWake(napi_env env, napi_value callback, void*, void*) {
  if (env == nullptr || callback == nullptr) return;
  napi_value receiver = Undefined(env);
  // An exception of the callback becomes an uncaught one when control returns to the event loop.
  napi_call_function(env, receiver, callback, 0, nullptr, nullptr);
}

bool ThrowErrno(napi_env env, const SocketRequest& request) {
  const std::string text = std::string("cannot bind ") + (request.tcp ? "TCP" : "UDP") + " port " +
                           std::to_string(request.address.port) + ": " + strerror(errno);
  napi_throw_error(env, errno == EADDRINUSE ? "EADDRINUSE" : nullptr, text.c_str());
  return false;
}

bool OpenSockets(napi_env env, ForwarderHandle* handle, FieldReader* r) {
  const IoOptions options = [&] {
    IoOptions o;
    o.table = ReadTableOptions(r);
    o.tcp_queue_bytes = r->U32();
    o.socket_buffer_bytes = static_cast<int>(r->U32() & 0x7fffffff);
    o.sending = static_cast<PacketSending>(std::min<uint8_t>(r->U8(), 2));
    return o;
  }();
  const size_t max_tcp = r->U32();
  const size_t max_tcp_per_address = r->U32();
  const auto limits = std::make_shared<TcpLimits>(max_tcp, max_tcp_per_address);
  const uint32_t threads = r->U8();
  for (uint32_t i = 0; i < threads; ++i) {
    const napi_threadsafe_function wake = handle->wake;
    handle->threads.push_back(std::make_unique<IoThread>(
        options, i, limits, [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); }));
  }
  const size_t sockets = r->U16();
  for (size_t i = 0; i < sockets; ++i) {
    const uint32_t thread = r->U8();
    SocketRequest request;
    request.tcp = r->U8() != 0;
    request.address = r->Path().remote;
    if (!r->ok() || thread >= threads) {
      napi_throw_type_error(env, nullptr, "malformed forwarder options");
      return false;
    }
    BoundSocket bound;
    if (!handle->threads[thread]->Open(request, &bound)) return ThrowErrno(env, request);
    handle->bound.push_back(bound);
  }
  for (auto& thread : handle->threads) {
    if (thread->Start()) continue;
    napi_throw_error(env, nullptr, "cannot start a forwarding thread");
    return false;
  }
  return true;
}

// new NativeForwarder(options, onWake)
napi_value NewForwarder(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  BytesView options;
  if (!ReadBytes(env, arguments[0], &options)) return nullptr;
  auto handle = std::make_unique<ForwarderHandle>();
  napi_value name = NewString(env, "conclave-forwarder");
  if (napi_create_threadsafe_function(env, arguments[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr, CallWake,
                                      &handle->wake) != napi_ok) {
    napi_throw_type_error(env, nullptr, "expected a function");
    return nullptr;
  }
  FieldReader reader(options.data, options.length);
  if (!OpenSockets(env, handle.get(), &reader)) return nullptr;
  ForwarderHandle* raw = handle.get();
  if (!Wrap(env, arguments.self, std::move(handle))) return nullptr;
  raw->StopAtExit(env);
  return arguments.self;
}

// sockets(): id, port, id, port ... in the order of the requests
napi_value Sockets(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  const auto* const handle = Unwrap<ForwarderHandle>(env, arguments.self);
  if (handle == nullptr) return nullptr;
  std::vector<double> numbers;
  for (const BoundSocket& socket : handle->bound) {
    numbers.push_back(static_cast<double>(socket.id));
    numbers.push_back(socket.address.port);
  }
  return NewNumbers(env, numbers);
}

// post(thread, commands)
napi_value Post(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  auto* const handle = Unwrap<ForwarderHandle>(env, arguments.self);
  uint32_t thread = 0;
  BytesView commands;
  if (handle == nullptr || !ReadUint32(env, arguments[0], &thread) || !ReadBytes(env, arguments[1], &commands)) {
    return nullptr;
  }
  if (thread < handle->threads.size()) handle->threads[thread]->Post(commands.data, commands.length);
  return Undefined(env);
}

// send(thread, path, bytes): sends at once; false if that is for the thread to do
napi_value SendNow(napi_env env, napi_callback_info info) {
  const CallArguments<3> arguments(env, info);
  auto* const handle = Unwrap<ForwarderHandle>(env, arguments.self);
  uint32_t thread = 0;
  BytesView path;
  BytesView bytes;
  if (handle == nullptr || !ReadUint32(env, arguments[0], &thread) || !ReadBytes(env, arguments[1], &path) ||
      !ReadBytes(env, arguments[2], &bytes)) {
    return nullptr;
  }
  const bool sent = thread < handle->threads.size() &&
                    handle->threads[thread]->SendNow(FieldReader(path.data, path.length).Path(), bytes.data, bytes.length);
  return NewBoolean(env, sent);
}

// drain(): the event records of all threads
napi_value Drain(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const handle = Unwrap<ForwarderHandle>(env, arguments.self);
  if (handle == nullptr) return nullptr;
  std::vector<uint8_t> records;
  for (auto& thread : handle->threads) thread->DrainEvents(&records);
  return NewBytes(env, records.data(), records.size());
}

// read(thread, kind)
napi_value ReadThread(napi_env env, napi_callback_info info) {
  const CallArguments<2> arguments(env, info);
  auto* const handle = Unwrap<ForwarderHandle>(env, arguments.self);
  uint32_t thread = 0;
  uint32_t kind = 0;
  if (handle == nullptr || !ReadUint32(env, arguments[0], &thread) || !ReadUint32(env, arguments[1], &kind)) {
    return nullptr;
  }
  std::vector<double> numbers;
  if (thread < handle->threads.size()) {
    handle->threads[thread]->Run([&](FlowTable* table) { Read(table, kind, &numbers); });
    if (kind == kReadCounters && !numbers.empty()) {
      const Counters& sent = handle->threads[thread]->sent_now();
      for (size_t i = 0; i < kCounterCount; ++i) numbers[i] += static_cast<double>(sent.cells[i]);
    }
  }
  return NewNumbers(env, numbers);
}

napi_value CloseForwarder(napi_env env, napi_callback_info info) {
  const CallArguments<0> arguments(env, info);
  auto* const handle = Unwrap<ForwarderHandle>(env, arguments.self);
  if (handle == nullptr) return nullptr;
  handle->StopAtExit(nullptr);
  handle->Close();
  return Undefined(env);
}

// new NativeHarness(options)
napi_value NewHarness(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  BytesView options;
  if (!ReadBytes(env, arguments[0], &options)) return nullptr;
  FieldReader reader(options.data, options.length);
  auto harness = std::make_unique<Harness>(ReadTableOptions(&reader));
  Wrap(env, arguments.self, std::move(harness));
  return arguments.self;
}

napi_value HarnessExecute(napi_env env, napi_callback_info info) {
  const CallArguments<1> arguments(env, info);
  auto* const harness = Unwrap<Harness>(env, arguments.self);
  BytesView commands;
  if (harness == nullptr || !ReadBytes(env, arguments[0], &commands)) return nullptr;
  harness->Execute(commands.data, commands.length);
  return Undefined(env);
}

// step(nowUs, path or empty, bytes): runs timers, then takes the datagram if there is a path
napi_value HarnessStep(napi_env env, napi_callback_info info) {
  const CallArguments<3> arguments(env, info);
  auto* const harness = Unwrap<Harness>(env, arguments.self);
  double now_us = 0;
  BytesView path;
  BytesView bytes;
  if (harness == nullptr || napi_get_value_double(env, arguments[0], &now_us) != napi_ok ||
      !ReadBytes(env, arguments[1], &path) || !ReadBytes(env, arguments[2], &bytes)) {
    return nullptr;
  }
  if (path.length > 0) {
    const PathKey key = FieldReader(path.data, path.length).Path();
    harness->Receive(std::llround(now_us), key, bytes.data, bytes.length);
  } else {
    harness->Tick(std::llround(now_us));
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
  auto* const harness = Unwrap<Harness>(env, arguments.self);
  uint32_t kind = 0;
  if (harness == nullptr || !ReadUint32(env, arguments[0], &kind)) return nullptr;
  std::vector<double> numbers;
  Read(&harness->table(), kind, &numbers);
  return NewNumbers(env, numbers);
}

}  // namespace

void RegisterForwarder(napi_env env, napi_value exports) {
  SetClass(env, exports, "NativeForwarder", NewForwarder,
           {Method("sockets", Sockets), Method("post", Post), Method("send", SendNow), Method("drain", Drain), Method("read", ReadThread),
            Method("close", CloseForwarder)});
  SetClass(env, exports, "NativeHarness", NewHarness,
           {Method("execute", HarnessExecute), Method("step", HarnessStep), Method("read", HarnessRead)});
  napi_value names = nullptr;
  napi_create_array_with_length(env, kCounterCount, &names);
  for (uint32_t i = 0; i < kCounterCount; ++i) napi_set_element(env, names, i, NewString(env, kCounterNames[i]));
  SetProperty(env, exports, "counterNames", names);
}

}  // namespace conclave
