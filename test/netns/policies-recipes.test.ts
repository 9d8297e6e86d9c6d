/** The recipes of docs/policies.md as they stand there: each connection by the WAN that the text promises. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import type { RawConfig } from '#wanmark/config/options.js';
import { readPage } from '../docs/pages.js';
import { namespaces, needs, program } from '../helpers/requires.js';
import { Machine, SERVER, tally } from './rules-harness.js';
import { done, serve, wanOf } from './rules-steps.js';

const WANS = ['fibre', 'dsl', 'lte'];
const OFFICE = '198.51.100.7';
const STREAMING = '198.51.100.77';
const [ODD, EVEN, HOST, DIRECT, BACKUP, GUEST] = [
  '192.168.9.33',
  '192.168.9.34',
  '192.168.9.50',
  '192.168.9.60',
  '192.168.9.70',
  '192.168.9.5',
];
const CLIENTS = [ODD, EVEN, HOST, DIRECT, BACKUP, GUEST];

interface Try {
  /** A client's address, or the router itself. */
  readonly from?: string;
  readonly to?: string;
  readonly port?: number;
  /** The WANs that it goes by, all of them; none: it is refused. */
  readonly by: readonly string[];
  /** WANs that are down, by device. */
  readonly down?: readonly string[];
}

const ALL = WANS;
/** What each recipe promises, by its heading; only some of the traffic that it is not about. */
const PROMISES: Readonly<Record<string, readonly Try[]>> = {
  'One host by one WAN and by no other': [
    { from: HOST, by: ['dsl'] },
    { from: HOST, by: [], down: ['dsl'] },
    { from: ODD, by: ALL },
  ],
  'Telephony by DSL, and by LTE while DSL is down': [
    { port: 5060, by: ['dsl'] },
    { port: 5060, by: ['lte'], down: ['dsl'] },
    { port: 80, by: ALL },
  ],
  'Web by two WANs, five to one, and by whatever there is when both are down': [
    { port: 443, by: ['fibre', 'dsl'] },
    { port: 80, by: ['lte'], down: ['fibre', 'dsl'] },
    { port: 25, by: ALL },
  ],
  'A host that nobody balances': [{ from: DIRECT, by: ['fibre'] }],
  'The networks of an office by one WAN': [
    { to: OFFICE, by: ['fibre'] },
    { to: SERVER, by: ALL },
  ],
  'A service whose addresses are known by name only': [
    { to: STREAMING, by: ['dsl'] },
    { to: SERVER, by: ALL },
  ],
  'Odd clients by one WAN and even ones by another': [
    { from: ODD, by: ['fibre'] },
    { from: EVEN, by: ['dsl'] },
    { from: ODD, by: ['dsl'], down: ['fibre'] },
  ],
  'Everything but one network of clients off the metered WAN': [
    { from: GUEST, by: ALL },
    { from: ODD, by: ['fibre', 'dsl'] },
    { from: ODD, by: [], down: ['fibre', 'dsl'] },
  ],
  'Backups by DSL at night, and not at all by day': [{ from: BACKUP, by: isNight() ? ['dsl'] : [] }],
  'The router’s own mail by the WAN whose address has a name': [
    { from: 'router', port: 25, by: ['fibre'] },
    { port: 25, by: ALL },
  ],
};

function isNight(): boolean {
  const hour = new Date().toLocaleString('en', {
    hour: 'numeric',
    hourCycle: 'h23',
    timeZone: 'Europe/Berlin',
  });
  return Number(hour) >= 22 || Number(hour) < 6;
}

const page = readPage('docs/policies.md');
const recipes = new Map(
  [...page.matchAll(/^### (.*)\n\n```yaml\n([^`]*)```/gm)].map(([, title = '', text = '']) => [
    title.replace("'", '’'),
    parse(text) as RawConfig,
  ]),
);

describe('the recipes of docs/policies.md', needs(namespaces, program('ipset')), () => {
  let machine: Machine;
  const setDevices = (names: readonly string[], state: 'up' | 'down') => {
    for (const name of names) machine.sh(`ip link set w${WANS.indexOf(name) + 1} ${state}`);
    if (state === 'up') {
      machine.until('[ "$(ip -o link show type veth | grep -c LOWER_UP)" = 4 ]');
      // It went with its device.
      machine.sh('ip route replace default via 192.0.1.1');
    }
    done(machine, 'refresh');
  };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.sh(`ip route add 192.168.9.0/24 via 10.9.0.2; ip -n inet addr add ${OFFICE}/32 dev lo
      ip -n inet addr add ${STREAMING}/32 dev lo
      ipset create streaming hash:ip timeout 86400; ipset add streaming ${STREAMING}
      for address in ${CLIENTS.join(' ')}; do ip -n client addr add $address/32 dev eth0; done`);
    await serve(machine, [25, 80, 443, 5060], [], 'inet');
  });
  after(() => machine.stop());

  test('are all tried', () => {
    assert.deepEqual([...recipes.keys()], Object.keys(PROMISES));
  });

  for (const [title, recipe] of recipes) {
    test(title, async () => {
      const wan = WANS.map((name, i) => `${name},dev=w${i + 1},via=192.0.${i + 1}.1`);
      done(machine, 'up', { wan, ...recipe });
      for (const { from = ODD, to = SERVER, port = 80, by, down = [] } of PROMISES[title]!) {
        if (down.length > 0) setDevices(down, 'down');
        const local = from === 'router' ? [] : [from];
        const lines = await machine.call(
          ['tcp', by.length === 0 ? '1' : '30', to, String(port), ...local],
          from === 'router' ? undefined : 'client',
          by.length === 0 ? 300 : 5000,
        );
        const seen = Object.keys(tally(lines.map(wanOf)));
        const names = seen.map((one) => WANS[Number(one) - 1] ?? 'refused').toSorted();
        assert.deepEqual(
          names,
          by.length === 0 ? ['refused'] : by.toSorted(),
          `${from} to ${to}:${port}, ${lines[0]}`,
        );
        if (down.length > 0) setDevices(down, 'up');
      }
    });
  }
});
