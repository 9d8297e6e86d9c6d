// What is left out of the counts and of the news of connections, as JS says it.
#pragma once

#include <napi.h>

#include <memory>

#include "conntrack/exclusion.h"

namespace wanmark {

/**
 * Reads `{to, self, probePorts}`; see CtExclusion. `ports` keeps the array of the ports, which is the same
 * one each time, so a thread may go on reading the one before. Returns null with a TypeError when it is no
 * exclusion.
 */
std::shared_ptr<const CtExclusion> ReadExclusion(const Napi::Value& value,
                                                 Napi::Reference<Napi::Uint8Array>& ports);

}  // namespace wanmark
