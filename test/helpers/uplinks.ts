import type { Family } from '#wanmark/core/family.js';
import type { Lab } from '#wanmark/lab/lab.js';
import type { Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { WAN_FIELD } from './marks.js';
import { eventually } from './router-state.js';
import { statusOf } from './status.js';

/** A line of the daemon's log about a WAN's change of state. */
export interface StateLine {
  readonly msg: 'wan down' | 'wan up' | 'wan suspected' | 'wan not suspected any more';
  readonly time: string;
  readonly wan: string;
  readonly family: 4 | 6;
  readonly reason: string;
  /** Only in lines about `down` and `up`. */
  readonly since: string;
}

/** All lines so far about a WAN's change of state, suspicions among them, in order. */
export function stateLines(daemon: Daemon): StateLine[] {
  return daemon.program.lines
    .filter((line) => line.includes('"msg":"wan '))
    .map((line) => JSON.parse(line) as StateLine);
}

/**
 * Waits until there is a line about this state of the WAN and returns the latest. The wait has the program's time limit.
 */
export async function waitForState(
  daemon: Daemon,
  msg: StateLine['msg'],
  wan: string,
  family: 4 | 6 = 4,
): Promise<StateLine> {
  const fits = (line: StateLine) => line.msg === msg && line.wan === wan && line.family === family;
  await daemon.program.waitForLine(() => stateLines(daemon).some(fits));
  return stateLines(daemon).findLast(fits)!;
}

/** Waits until an outage of the WAN by its device counts, and is not forgiven as a brief one when the WAN is back. */
export async function waitUntilLasting(daemon: Daemon, wan: string): Promise<void> {
  const isTold = (line: string) =>
    line.includes('"msg":"outage lasts"') && (JSON.parse(line) as StateLine).wan === wan;
  await daemon.program.waitForLine(isTold);
}

/** Plugs the cable between a gateway and the router in, or pulls it out. */
export async function plug(lab: Lab, gateway: string, plugged: boolean): Promise<void> {
  await lab.host(gateway).sh(`ip link set up0 ${plugged ? 'up' : 'down'}`);
}

/** Makes a gateway drop what it should forward, or stop doing so. Its link stays up, and it still answers pings. */
export async function swallow(lab: Lab, gateway: string, drop: boolean, what = ''): Promise<void> {
  const tools = lab.network.ipv6 ? ['iptables', 'ip6tables'] : ['iptables'];
  for (const tool of tools) {
    const rules = ['*filter', ...(drop ? [`-A FORWARD ${what} -j DROP`] : []), 'COMMIT', ''].join('\n');
    await lab.host(gateway).exec([`${tool}-restore`], { input: rules });
  }
}

/** Makes a gateway drop everything, even packets to itself, or stop doing so. Only ARP is still answered. */
export async function mute(lab: Lab, gateway: string, drop: boolean): Promise<void> {
  const rules = drop ? ['-A INPUT -j DROP', '-A FORWARD -j DROP', '-A OUTPUT -j DROP'] : [];
  const tools = lab.network.ipv6 ? ['iptables', 'ip6tables'] : ['iptables'];
  for (const tool of tools) {
    const input = ['*filter', ...rules, 'COMMIT', ''].join('\n');
    await lab.host(gateway).exec([`${tool}-restore`], { input });
  }
}

/** The numbers of the WANs that the kernel's own choice can set. */
export async function kernelMarks(lab: Lab, family: Family = 4): Promise<number[]> {
  const rules = await lab.router.counters('nat', 'WANMARK_KERNEL', family);
  return rules.flatMap(({ rule }) => {
    const mark = /--set-xmark (0x\w+)\//.exec(rule)?.[1];
    return mark === undefined ? [] : WAN_FIELD.decode(Number(mark));
  });
}

/** Waits until the kernel chooses among `wans` WANs: the rules follow a state after the daemon has logged it. */
export async function waitForKernel(lab: Lab, wans: number): Promise<void> {
  await eventually(
    () => kernelMarks(lab),
    (marks) => marks.length === wans,
    `the kernel may choose ${wans} WANs`,
  );
}

/** Waits until the kernel chooses none of the WANs, because all are down; until then it gives new connections to one. */
export async function waitForLastResort(lab: Lab): Promise<void> {
  const known = lab.wans.map(({ number }) => number);
  await eventually(
    () => kernelMarks(lab),
    (marks) => marks.every((mark) => !known.includes(mark)),
    'the kernel chooses no WAN',
  );
}

/** Waits until a check calls each WAN up and the kernel may choose all of them. */
export async function waitForAllBack(lab: Lab, wanmark: Wanmark): Promise<void> {
  await eventually(
    () => statusOf(wanmark),
    ({ wans }) => wans.every(({ state, reason }) => state === 'up' && reason.startsWith('ping ')),
    'all are up',
  );
  await waitForKernel(lab, lab.wans.length);
}
