import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Status, WanStatus } from '#wanmark/control/status.js';
import type { DoctorFacts, TargetFacts } from '#wanmark/doctor/facts.js';
import type { CheckResult } from '#wanmark/wan/check/check.js';

export const RAW: RawConfig = {
  wan: ['fibre,dev=eth1,via=192.0.2.1,weight=5', 'dsl,dev=eth2,via=198.51.100.1'],
  check: ['all=ping,to=203.0.113.1+203.0.113.2'],
};
export const CONFIG = parseConfig(RAW);

export const GOOD: CheckResult = { ok: true, rttMs: 8, why: '8.0 ms' };
export const SILENT: CheckResult = { ok: false, why: 'timeout' };

/** The answer of a running daemon, as far as the doctor reads it. */
export function status(wans: readonly Partial<WanStatus>[], more: Partial<Status> = {}): Status {
  return {
    pid: 402,
    strategy: 'weighted',
    wans: wans.map((wan) => ({ checks: [], ...wan }) as unknown as WanStatus),
    notes: [],
    ...more,
  } as unknown as Status;
}

export const DAEMON = status([
  { name: 'fibre', weight: 5, tier: 1 },
  { name: 'dsl', weight: 1, tier: 1 },
]);

const WAYS = CONFIG.wans.map(({ name, dev }) => ({
  wan: name,
  family: 4 as const,
  dev,
  up: true,
  reason: `device ${dev} is up`,
}));

/** What two targets of a ping say by a WAN. */
export function targets(wan: string, ...results: readonly CheckResult[]): TargetFacts[] {
  return results.map((result, i) => ({
    wan,
    family: 4,
    check: { kind: 'ping', quorum: 1 },
    target: `203.0.113.${i + 1}`,
    result,
  }));
}

/** A router on which all is well. */
export const WELL: DoctorFacts = {
  config: CONFIG,
  rules: { state: 'seen', missing: [], differs: false },
  daemon: DAEMON,
  queues: [],
  notes: [],
  settings: { forwards: { 4: true, 6: true }, closed: [], blind: [], conntrack: { count: 100, max: 1000 } },
  ways: WAYS,
  gateways: CONFIG.wans.map(({ name, dev, via }) => ({
    wan: name,
    family: 4,
    dev,
    address: via!,
    answer: 'answers',
  })),
  checks: { unchecked: [], answers: [...targets('fibre', GOOD, GOOD), ...targets('dsl', GOOD, GOOD)] },
  servers: CONFIG.wans.map(({ name }) => ({ wan: name, family: 4, server: '203.0.113.53', result: GOOD })),
  conflicts: [],
  others: { networkd: false, firewalld: false, mwan3: false, taken: [] },
  flowtables: [],
  helpers: { automatic: false, loaded: [], assigned: [] },
  nat: { lan: { 4: [{ dev: 'lan0', address: '10.9.0.1/24' }], 6: [] }, translators: [] },
  lacks: [],
  late: [],
};
