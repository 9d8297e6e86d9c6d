#include "js/exclusion.h"

namespace wanmark {

namespace {

/** Adds the networks of an array of strings. Returns false when one of them is none. */
bool ReadNetworks(const Napi::Value& value, Networks& networks) {
  if (!value.IsArray()) return false;
  const auto texts = value.As<Napi::Array>();
  for (uint32_t i = 0; i < texts.Length(); i++) {
    if (!networks.Add(texts.Get(i).ToString())) return false;
  }
  networks.Merge();
  return true;
}

}  // namespace

std::shared_ptr<const CtExclusion> ReadExclusion(const Napi::Value& value,
                                                 Napi::Reference<Napi::Uint8Array>& ports) {
  auto exclusion = std::make_shared<CtExclusion>();
  const Napi::Object object = value.ToObject();
  const Napi::Value given = object.Get("probePorts");
  if (!ReadNetworks(object.Get("to"), exclusion->to) || !ReadNetworks(object.Get("self"), exclusion->self) ||
      !given.IsTypedArray() || given.As<Napi::TypedArray>().ByteLength() != CtExclusion::kPortBytes) {
    Napi::TypeError::New(value.Env(), "an exclusion has networks and ports").ThrowAsJavaScriptException();
    return nullptr;
  }
  const auto bytes = given.As<Napi::Uint8Array>();
  exclusion->probe_ports = bytes.Data();
  if (ports.IsEmpty()) ports = Napi::Persistent(bytes);
  return exclusion;
}

}  // namespace wanmark
