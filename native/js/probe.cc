#include "js/probe.h"

#include <cerrno>
#include <string>

#include "js/call.h"
#include "js/error.h"
#include "js/options.h"

namespace wanmark {

namespace {

// The most messages that are read in one wake-up, so that a flood of echo replies does not hold the event
// loop.
constexpr int kMostMessages = 16;
// The room for a message: a DNS answer of 512 bytes (RFC 1035), or an echo reply with its IP header, and some
// more.
constexpr size_t kMessageBytes = 2048;

std::string TextOption(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

ProbeOptions ReadOptions(const Napi::Object& object, ProbeKind kind) {
  ProbeOptions options;
  options.family = NumberOption(object, "family") == 6 ? AF_INET6 : AF_INET;
  options.kind = kind;
  options.mark = NumberOption(object, "mark");
  options.device = TextOption(object, "device");
  options.source = TextOption(object, "source");
  options.half_open = object.Get("halfOpen").ToBoolean().Value();
  return options;
}

const char* StepName(ProbeStep step) {
  switch (step) {
    case ProbeStep::kAddress:
      return "address";
    case ProbeStep::kMark:
      return "mark";
    case ProbeStep::kDevice:
      return "device";
    case ProbeStep::kSource:
      return "source";
    case ProbeStep::kConnect:
      return "connect";
    default:
      return "socket";
  }
}

/** Returns `{address, port}` of a socket's own end. */
Napi::Object DescribeLocal(Napi::Env env, const ProbeSocket& socket) {
  std::string address;
  uint16_t port = 0;
  socket.Local(address, port);
  Napi::Object result = Napi::Object::New(env);
  result.Set("address", Napi::String::New(env, address));
  result.Set("port", Napi::Number::New(env, port));
  return result;
}

}  // namespace

Napi::Function DatagramProbe::Define(Napi::Env env) {
  return DefineClass(env, "DatagramProbe",
                     {
                         InstanceMethod<&DatagramProbe::Send>("send"),
                         InstanceMethod<&DatagramProbe::Close>("close"),
                     });
}

Napi::Value DatagramProbe::OpenTcp(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject()) {
    Napi::TypeError::New(env, "openTcpProbe(options)").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  ProbeSocket socket;
  if (const int error = socket.Open(ReadOptions(info[0].As<Napi::Object>(), ProbeKind::kTcp))) {
    MakeError(env, StepName(socket.failed()), error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const Napi::Object result = DescribeLocal(env, socket);
  result.Set("fd", Napi::Number::New(env, socket.Release()));
  return result;
}

DatagramProbe::DatagramProbe(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DatagramProbe>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction()) {
    Napi::TypeError::New(env, "DatagramProbe(options, onEvent)").ThrowAsJavaScriptException();
    return;
  }
  const Napi::Object object = info[0].As<Napi::Object>();
  const ProbeKind kind = TextOption(object, "kind") == "echo" ? ProbeKind::kEcho : ProbeKind::kUdp;
  int error = socket_.Open(ReadOptions(object, kind));
  if (!error)
    error = socket_.SetPeer(TextOption(object, "peer"), static_cast<uint16_t>(NumberOption(object, "port")));
  if (error) {
    MakeError(env, StepName(socket_.failed()), error).ThrowAsJavaScriptException();
    return;
  }
  error = watch_.Open(env, socket_.fd(),
                      {
                          .on_readable = [this](int status) { OnReadable(status); },
                          .close = [this] { socket_.Close(); },
                          .on_env_gone =
                              [this] {
                                on_event_.Reset();
                                async_context_.reset();
                              },
                      });
  if (!error) {
    error = watch_.Await();
    if (error) watch_.Close();
  }
  if (error) {
    MakeError(env, "loop", error).ThrowAsJavaScriptException();
    return;
  }
  on_event_ = Napi::Persistent(info[1].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "wanmark.DatagramProbe");
  const auto self = info.This().As<Napi::Object>();
  self.Set("raw", Napi::Boolean::New(env, socket_.raw()));
  self.Set("local", DescribeLocal(env, socket_));
  Ref();
}

Napi::Value DatagramProbe::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsTypedArray()) {
    Napi::TypeError::New(env, "send(bytes)").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto array = info[0].As<Napi::TypedArray>();
  const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  return Napi::Number::New(env, watch_.is_open() ? socket_.Send(bytes, array.ByteLength()) : EBADF);
}

void DatagramProbe::OnReadable(int status) {
  const Napi::HandleScope scope(Env());
  uint8_t message[kMessageBytes];
  for (int i = 0; i < kMostMessages; i++) {
    size_t size = 0;
    const int error = socket_.Receive(message, sizeof(message), size);
    if (error == EAGAIN) {
      // With a negative status, libuv has stopped the handle at EPOLLERR.
      if (status < 0) EndWith(status);
      return;
    }
    if (error) {
      watch_.Pause();
      Emit(error, nullptr, 0);
      return;
    }
    if (!Emit(0, message, size)) return;
  }
  if (status < 0) EndWith(status);
}

void DatagramProbe::EndWith(int status) {
  const int error = socket_.TakeError();
  Emit(error ? error : -status, nullptr, 0);
}

bool DatagramProbe::Emit(int error, const void* data, size_t size) {
  const napi_env env = Env();
  const Napi::CallbackScope scope(env, *async_context_);
  NotifyJs(on_event_,
           {Napi::Number::New(env, error),
            data ? napi_value(Napi::Buffer<uint8_t>::Copy(env, static_cast<const uint8_t*>(data), size))
                 : napi_value(Napi::Env(env).Undefined())});
  return watch_.is_open();
}

void DatagramProbe::Close(const Napi::CallbackInfo&) {
  if (!watch_.is_open()) return;
  watch_.Close();
  on_event_.Reset();
  Unref();
}

}  // namespace wanmark
