// One question to ctnetlink on a socket of its own. Blocks while the kernel works, so it is not for the JS
// thread.
#pragma once

#include "ct_entry.h"
#include "ct_messages.h"

namespace wanmark {

/** 0 or errno; EINVAL for mask 0. */
int FlushCt(uint32_t mark, uint32_t mask);

/** 0 or errno; ENOENT: there is no such connection. */
int LookUpCt(const CtTuple& tuple, CtEntry& entry);

}  // namespace wanmark
