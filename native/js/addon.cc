// Registers the classes and functions of the addon. It is loaded once for each environment, so nothing is
// static.
#include <napi.h>
#include <sources.h>  // the build makes it (native/sources.cjs)

#include "js/conntrack.h"
#include "js/conntrack_news.h"
#include "js/host.h"
#include "js/nft_transaction.h"
#include "js/nft_writer.h"
#include "js/plans.h"
#include "js/probe.h"
#include "js/queue.h"
#include "js/route.h"
#include "js/route_news.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Queue", wanmark::Queue::Define(env));
  exports.Set("Plans", wanmark::PlansForJs::Define(env));
  exports.Set("Conntrack", wanmark::Conntrack::Define(env));
  exports.Set("ConntrackNews", wanmark::ConntrackNews::Define(env));
  exports.Set("flushConntrack", Napi::Function::New<wanmark::Conntrack::Flush>(env, "flushConntrack"));
  exports.Set("lookupConntrack", Napi::Function::New<wanmark::Conntrack::Lookup>(env, "lookupConntrack"));
  exports.Set("forgetConntrack", Napi::Function::New<wanmark::Conntrack::Forget>(env, "forgetConntrack"));
  exports.Set("nftGeneration", Napi::Function::New<wanmark::NftGenerationForJs>(env, "nftGeneration"));
  exports.Set("legacyTable", Napi::Function::New<wanmark::LegacyTableForJs>(env, "legacyTable"));
  exports.Set("tryLock", Napi::Function::New<wanmark::TryLockForJs>(env, "tryLock"));
  exports.Set("sendUnixDatagram",
              Napi::Function::New<wanmark::SendUnixDatagramForJs>(env, "sendUnixDatagram"));
  exports.Set("deviceIndex", Napi::Function::New<wanmark::DeviceIndexForJs>(env, "deviceIndex"));
  exports.Set("peerUser", Napi::Function::New<wanmark::PeerUserForJs>(env, "peerUser"));
  exports.Set("routeDump", Napi::Function::New<wanmark::RouteDumpForJs>(env, "routeDump"));
  exports.Set("routeRequest", Napi::Function::New<wanmark::RouteRequestForJs>(env, "routeRequest"));
  exports.Set("routeDumpLater", Napi::Function::New<wanmark::RouteDumpLaterForJs>(env, "routeDumpLater"));
  exports.Set("netfilterDumpLater",
              Napi::Function::New<wanmark::NetfilterDumpLaterForJs>(env, "netfilterDumpLater"));
  exports.Set("netfilterDump", Napi::Function::New<wanmark::NetfilterDumpForJs>(env, "netfilterDump"));
  exports.Set("netfilterRequest",
              Napi::Function::New<wanmark::NetfilterRequestForJs>(env, "netfilterRequest"));
  exports.Set("RouteNews", wanmark::RouteNews::Define(env));
  exports.Set("NftWriter", wanmark::NftWriter::Define(env));
  exports.Set("nftTransaction", Napi::Function::New<wanmark::NftTransactionForJs>(env, "nftTransaction"));
  exports.Set("DatagramProbe", wanmark::DatagramProbe::Define(env));
  exports.Set("openTcpProbe", Napi::Function::New<wanmark::DatagramProbe::OpenTcp>(env, "openTcpProbe"));
  exports.Set("sources", Napi::String::New(env, kSources));
  return exports;
}

NODE_API_MODULE(nfqueue, Init)
