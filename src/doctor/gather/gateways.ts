import { setTimeout } from 'node:timers/promises';
import { formatAddress, parseAddress } from '../../core/address.js';
import { FAMILIES } from '../../core/family.js';
import {
  dumpAnsweringNeighbours,
  probeNeighbour,
  resolveNeighbour,
} from '../../system/rtnetlink/neighbours.js';
import type { GatewayFacts } from '../facts.js';

/** The kernel asks three times, a second apart (mcast_solicit, ucast_solicit, retrans_time). */
const PATIENCE_MS = 3300;
const PACE_MS = 50;

/** A gateway on a device. */
export type Gateway = Omit<GatewayFacts, 'answer'> & {
  /** The device's number. */
  readonly index: number;
};

/** The questions to the kernel; replace them in tests. */
export interface Asking {
  readonly probe: typeof probeNeighbour;
  readonly resolve: typeof resolveNeighbour;
  readonly answering: typeof dumpAnsweringNeighbours;
  readonly sleep: (ms: number) => Promise<unknown>;
}

const KERNEL: Asking = {
  probe: probeNeighbour,
  resolve: resolveNeighbour,
  answering: dumpAnsweringNeighbours,
  sleep: setTimeout,
};

/** Makes the kernel ask all gateways at once, and waits until each has answered, or has had its time. */
export async function askGateways(
  gateways: readonly Gateway[],
  asking: Asking = KERNEL,
): Promise<GatewayFacts[]> {
  const asked = new Map(gateways.map((gateway) => [gateway, ask(gateway, asking)]));
  const waiting = new Set(gateways.filter((gateway) => asked.get(gateway)));
  const answered = new Set<Gateway>();
  for (let waitedMs = 0; waiting.size > 0 && waitedMs < PATIENCE_MS; waitedMs += PACE_MS) {
    await asking.sleep(PACE_MS);
    const there = answers(waiting, asking);
    for (const gateway of waiting) {
      if (!there.has(keyOf(gateway.index, gateway.address))) continue;
      answered.add(gateway);
      waiting.delete(gateway);
    }
  }
  return gateways.map(({ index, ...gateway }, i) => {
    const one = gateways[i]!;
    return { ...gateway, answer: !asked.get(one) ? 'unknown' : answered.has(one) ? 'answers' : 'silent' };
  });
}

/** Whether the kernel asks. One that it knows is asked again; the state in between is no answer. */
function ask({ family, address, index }: Gateway, { probe, resolve }: Asking): boolean {
  for (const way of [probe, resolve]) {
    try {
      way(family, address, index);
      return true;
    } catch {
      // It is not known yet, so it has to be resolved; or its device has just gone.
    }
  }
  return false;
}

function answers(waiting: ReadonlySet<Gateway>, { answering }: Asking): ReadonlySet<string> {
  const families = FAMILIES.filter((family) => [...waiting].some((one) => one.family === family));
  return new Set(
    families.flatMap((family) => answering(family).map(({ index, address }) => `${index} ${address}`)),
  );
}

function keyOf(index: number, address: string): string {
  const family = address.includes(':') ? 6 : 4;
  return `${index} ${formatAddress(parseAddress(address), 0, family)}`;
}
