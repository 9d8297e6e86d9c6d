// Decides one packet of a real queue: decide. It opens queue 0, says "ready", answers the first question with
// mark 2 for each of its packets, and says "decided" with the flow's ports once the verdicts are sent. It
// stands for Node where there is none for the libc or the processor (targets.sh).

#include <semaphore>

#include "base/thread.h"
#include "check.h"
#include "packets.h"
#include "queue/loop.h"

using namespace wanmark;

int main() {
  std::binary_semaphore asked{0};
  BatchMemory memory;
  ToldMemory told_memory;
  Plans plans;
  Stats stats;
  LoopOptions options;
  options.verdict = NF_REPEAT;
  options.deadline = std::chrono::seconds(60);
  options.now_ms = [] { return uint64_t{0}; };
  NetlinkSocket socket;
  const OpenResult opened = OpenQueue(socket, options.queue);
  if (opened.failed != OpenStep::kNone) {
    printf("cannot open the queue: step %d, error %d\n", static_cast<int>(opened.failed), opened.error);
    return 1;
  }
  QueueLoop loop(options, std::move(socket), memory, told_memory, plans, stats, [&] { asked.release(); });
  Thread thread;
  CHECK(thread.Start("loop", [&] { loop.Run(); }) == 0);
  printf("ready\n");
  fflush(stdout);
  uint32_t count = 0;
  while (count == 0) {
    asked.acquire();
    count = loop.handoff().Take();
  }
  for (uint32_t i = 0; i < count; i++) memory.marks[i] = 2;
  const uint16_t sport = memory.sport[0], dport = memory.dport[0];
  loop.handoff().Answer();
  loop.RequestClose();
  thread.Join();
  printf("decided %u to %u\n", sport, dport);
}
