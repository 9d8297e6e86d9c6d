import type { CheckStatus, Status, StatusV1, WanStatus } from '#wanmark/control/status.js';

const SINCE = '2026-03-01T12:00:00.000Z';

/** A queue of a status, apart from what a test says. */
export function queueStatus(num: number, given: Partial<Status['queue']> = {}): Status['queue'] {
  const queue = { num, verdicts: 100, waiting: 2, dropped: 0, userDropped: 0, kernelDecided: 0, late: 0 };
  return { ...queue, length: 8192, ...given };
}

/** A check of a status, apart from what a test says. */
export function checkStatusOf(given: Partial<CheckStatus> = {}): CheckStatus {
  const targets = given.targets ?? ['192.0.2.1'];
  return {
    kind: 'ping',
    family: 4,
    targets,
    at: SINCE,
    answered: targets.length,
    rttMs: 8.1,
    loss: 0,
    unknown: null,
    probes: targets.map((target) => ({ target, answered: 30, lost: 2 })),
    ...given,
  };
}

/** A WAN of a status that is up with IPv4, apart from what a test says. */
export function wanStatus(name: string, given: Partial<WanStatus> = {}): WanStatus {
  const state = {
    state: 'up',
    since: SINCE,
    reason: 'ping 192.0.2.1: 1 of 1 rounds passed',
    upAt: null,
  } as const;
  return {
    name,
    mark: 1,
    dev: `dev-${name}`,
    weight: 3,
    tier: 1,
    connections: 12,
    picks: 40,
    share: 0.5,
    target: 0.5,
    ...state,
    warmUp: null,
    families: [{ family: 4, ...state, changes: 2 }],
    checks: [],
    traffic: {
      inBytes: 5000,
      outBytes: 700,
      inBitsPerSecond: 8000,
      outBitsPerSecond: 800,
      counter: 'device',
      month: { since: SINCE, inBytes: 4000, outBytes: 600 },
    },
    ...given,
  };
}

/** A WAN with numbers as on a busy router, up and unchecked since a moment, apart from what a test says. */
export function busyWan(name: string, since: string, given: Partial<WanStatus> = {}): WanStatus {
  const state = { state: 'up', since, reason: 'not checked', upAt: null } as const;
  return wanStatus(name, {
    dev: 'eth1',
    weight: 5,
    connections: 412,
    picks: 8312,
    share: 0.833,
    target: 0.833,
    ...state,
    families: [{ family: 4, ...state, changes: 0 }],
    traffic: {
      inBytes: 3.2e9,
      outBytes: 4.1e8,
      inBitsPerSecond: 9.42e7,
      outBitsPerSecond: 1.21e7,
      counter: 'device',
      month: null,
    },
    ...given,
  });
}

/** The status of a daemon, apart from what a test says. */
export function statusSample(given: Partial<StatusV1> = {}): StatusV1 {
  return {
    api: 1,
    at: SINCE,
    version: '0.2.0',
    pid: 1,
    uptimeSeconds: 60,
    strategy: 'weighted',
    queue: queueStatus(0),
    queues: [queueStatus(0)],
    faults: { threw: 0, noCandidate: 0, late: 0 },
    wans: [wanStatus('fibre'), wanStatus('lte')],
    sticky: null,
    policies: [],
    serviceQueue: null,
    serviceFaults: null,
    services: [],
    rules: { up: true, failure: null },
    notes: [],
    ...given,
  };
}
