/** Takes the pictures of the page in docs/img: `npm run docs:picture`, as root. Nothing on them is of a real network. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import type { Event } from '#wanmark/core/event.js';
import { History } from '#wanmark/web/history.js';
import { Web } from '#wanmark/web/server.js';
import { Chromium } from '../helpers/chromium.js';
import { FakeDaemon } from '../helpers/fake-daemon.js';
import { checkStatusOf, statusSample, wanStatus } from '../helpers/status-sample.js';

const FOLDER = new URL('../../docs/img/', import.meta.url).pathname;
const MINUTE = 60_000;
const NOW = Date.now();

/** A time before now. */
const ago = (ms: number) => new Date(NOW - ms).toISOString();

/** The WANs: a fast one, a slow one, and a backup that is used while the first was away. */
const WANS = [
  { name: 'fibre', dev: 'eth1', weight: 5, tier: 1, rtt: 4.1, bits: 180e6, begun: 9, since: 4 * MINUTE },
  { name: 'dsl', dev: 'ppp0', weight: 1, tier: 1, rtt: 21.7, bits: 36e6, begun: 2, since: 26 * 3600_000 },
  { name: 'lte', dev: 'wwan0', weight: 1, tier: 2, rtt: 48, bits: 22e6, begun: 1.5, since: 80 * 3600_000 },
] as const;

/** How much of a WAN's usual load it has at a time, 0 to 1: the fibre is away for two minutes. */
function load(name: string, before: number): number {
  const isAway = before > 4 * MINUTE && before < 6 * MINUTE;
  const wave = 0.75 + 0.2 * Math.sin(before / 47_000 + name.length) + 0.05 * Math.sin(before / 5_300);
  if (name === 'fibre') return isAway ? 0 : wave;
  if (name === 'lte') return isAway ? wave : 0.002;
  return isAway ? Math.min(1, 1.3 * wave) : 0.7 * wave;
}

function history(): History {
  const past = new History();
  for (let before = 10 * MINUTE; before > 0; before -= 1000) {
    const values = WANS.flatMap(({ name, bits, begun }): [string, number][] => [
      [`${name} in`, bits * load(name, before)],
      [`${name} out`, 0.12 * bits * load(name, before)],
      [`${name} new`, begun * load(name, before)],
    ]);
    past.add(NOW - before, new Map(values));
  }
  return past;
}

function happened(): Event[] {
  const state = (
    before: number,
    target: string,
    family: 4 | 6,
    to: 'up' | 'down',
    reason: string,
    lasted: number,
  ) =>
    ({ at: ago(before), kind: 'state', target, family, state: to, reason, lastedSeconds: lasted }) as const;
  const lost = 'ping 192.0.2.1, 198.51.100.1: 3 of 3 rounds failed (timeout)';
  const events = [
    state(6 * MINUTE, 'fibre', 4, 'down', lost, 93_600),
    { at: ago(6 * MINUTE), kind: 'cut', target: 'fibre', family: 4, which: 'all', connections: 412 } as const,
    state(4 * MINUTE, 'fibre', 4, 'up', 'ping 192.0.2.1, 198.51.100.1: 3 of 3 rounds passed', 120),
    { at: ago(3.9 * MINUTE), kind: 'moved', target: 'lte', family: 4, connections: 37, left: 0 } as const,
  ];
  return events.map((event, i) => ({ number: i + 1, ...event }));
}

async function main(): Promise<void> {
  const wans = WANS.map(({ name, dev, weight, tier, rtt, bits, since }) => {
    const rate = bits * load(name, 0);
    const state = {
      state: 'up',
      since: ago(since),
      reason: 'ping 192.0.2.1, 198.51.100.1: 3 of 3 rounds passed',
    } as const;
    return wanStatus(name, {
      ...state,
      dev,
      weight,
      tier,
      connections: tier === 2 ? 3 : 90 * weight,
      share: tier === 2 ? 0.04 : (0.96 * weight) / 6,
      target: tier === 2 ? 0 : weight / 6,
      families: [{ family: 4, ...state, upAt: null, changes: 2 }],
      checks: [
        checkStatusOf({
          targets: ['192.0.2.1', '198.51.100.1'],
          rttMs: rtt,
          loss: name === 'lte' ? 0.017 : 0,
        }),
      ],
      traffic: {
        inBytes: 900 * bits,
        outBytes: 110 * bits,
        inBitsPerSecond: rate,
        outBitsPerSecond: 0.12 * rate,
        counter: 'device',
        month: { since: state.since, inBytes: 700 * bits, outBytes: 80 * bits },
      },
    });
  });
  const daemon = await FakeDaemon.start(
    statusSample({ uptimeSeconds: 1_130_400, strategy: 'weighted', wans }),
  );
  daemon.events = happened();
  const listen = { host: '127.0.0.1', port: 0, isLoopback: true };
  const common = { version: '0.2.0', token: undefined, hosts: [], allowSet: false, onFault: assert.ifError };
  const web = await Web.start({ ...common, listen, socket: daemon.socket, history: history() });
  const browser = await Chromium.here();
  mkdirSync(FOLDER, { recursive: true });
  const take = async (name: string, width: number, height: number, scheme: 'light' | 'dark') => {
    await browser.show(width, height, scheme);
    await browser.open(`http://127.0.0.1:${web.port}/`);
    await browser.until('document.querySelectorAll("canvas").length === 2', 'the plots');
    await browser.until('document.querySelector(".events li")', 'the events');
    await browser.picture(`${FOLDER}${name}.png`, { x: 0, y: 0, width, height, scale: 1 });
  };
  try {
    await take('page', 1000, 1020, 'light');
    await take('page-phone', 390, 844, 'dark');
  } finally {
    await browser.stop();
    web.stop();
    await daemon.stop();
  }
}

await main();
