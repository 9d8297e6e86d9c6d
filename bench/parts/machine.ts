import type { Bench } from '../bench.js';
import { BigMachine } from '../big-machine.js';
import { LIMIT } from '../size.js';
import { median } from '../stats.js';

/** Measures what the size of the machine costs: its devices and routes, and what others change on it. */
export async function machine({ report, size, rounds }: Bench): Promise<void> {
  const { wans, devices, routes, seconds } = size.machine;
  report.title(`A machine with ${wans} WANs, ${devices} other devices and ${routes} routes`);
  const big = await BigMachine.start(size.machine);
  try {
    report.held('`up`, milliseconds', big.wanmark('up'), LIMIT.upMs);
    const again = Array.from({ length: rounds }, () => big.wanmark('refresh'));
    report.held('`refresh`, milliseconds', median(again), LIMIT.upMs);
    await big.run();
    report.held('a new route is in the set after milliseconds', await big.follow(), LIMIT.followMs);
    report.held('routes flap, % of a CPU', await big.routeChurn(seconds), LIMIT.churn);
    report.held('another firewall changes, % of a CPU', await big.firewallChurn(seconds), LIMIT.churn);
  } finally {
    await big.stop();
  }
}
