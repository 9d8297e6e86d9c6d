/**
 * What `wanmark import` prints is taken as it is, and sends connections where the source says, with the daemon and without
 * it, with every WAN up and with one down.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ConnectOptions, Lab } from '#wanmark/lab/lab.js';
import { Wanmark } from '#wanmark/lab/wanmark.js';
import { section } from '../helpers/imports.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { tally } from '../helpers/traffic.js';

const VOICE = 5060;
const MAIL = 25;

/** OpenWrt's interfaces of the lab's router, each with its fixed gateway. */
function network({ wans }: Lab): string {
  return wans
    .map(({ name, dev, via }) =>
      section(`interface '${name}'`, `device ${dev}`, 'proto static', `gateway ${via}`),
    )
    .join('');
}

/** The second client by wan2 alone, UDP to a port by wan3 and else wan1, no mail, and the rest by wan1 and wan2, 2:1. */
function mwan3({ wans, clients }: Lab): string {
  const member = (name: string, ...options: readonly string[]) => section(`member '${name}'`, ...options);
  return [
    ...wans.map(({ name }) => section(`interface '${name}'`, 'enabled 1')),
    member('first', 'interface wan1', 'metric 1', 'weight 2'),
    member('second', 'interface wan2', 'metric 1', 'weight 1'),
    member('third', 'interface wan3', 'metric 1'),
    member('backup', 'interface wan1', 'metric 20'),
    section("policy 'balanced'", 'use_member += first', 'use_member += second'),
    section("policy 'only_second'", 'use_member += second', 'last_resort unreachable'),
    section("policy 'third_first'", 'use_member += backup', 'use_member += third'),
    section("rule 'camera'", `src_ip ${clients[1]!.addresses[4][0]}`, 'use_policy only_second'),
    section("rule 'phones'", 'proto udp', `dest_port ${VOICE},10000:20000`, 'use_policy third_first'),
    section("rule 'mail'", 'proto tcp', `dest_port ${MAIL}`, 'family ipv4', 'use_policy unreachable'),
    section("rule 'default_rule'", 'dest_ip 0.0.0.0/0', 'use_policy balanced'),
  ].join('');
}

/** Which WANs carry the connections of each rule; an error of the connection where it is refused. */
async function ways(lab: Lab) {
  const way = async (options: ConnectOptions) => {
    const flows = await lab.connect({ count: 12, ...options });
    return Object.keys(tally(flows))
      .map((key) => (/UNREACH/.test(key) ? 'unreachable' : key))
      .sort();
  };
  return {
    // One each, since the kernel tells an address of few refusals in a second (ip_rt_error_cost).
    camera: await way({ from: lab.clients[1]!, count: 1 }),
    phones: await way({ proto: 'udp', port: VOICE }),
    mail: await way({ port: MAIL, count: 1 }),
    rest: await way({ count: 40 }),
  };
}

const UP = { camera: ['wan2'], phones: ['wan3'], mail: ['unreachable'], rest: ['wan1', 'wan2'] };
const STATES = [
  { down: undefined, expected: UP },
  { down: 'wan2', expected: { ...UP, camera: ['unreachable'], rest: ['wan1'] } },
  { down: 'wan3', expected: { ...UP, phones: ['wan1'] } },
] as const;

describe('an imported configuration', needs(nfqueue, addon), () => {
  it('sends connections where mwan3 would', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wanmark-import-'));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    try {
      await withLab({ clients: 2, ipv6: false }, async ({ lab }) => {
        for (const port of [VOICE, MAIL]) await lab.server.serve(port);
        file('network', network(lab));
        // Without flags of its own, so that what is printed is all that there is.
        const wanmark = new Wanmark(lab, []);
        const printed = await wanmark.command(['import', 'mwan3', file('mwan3', mwan3(lab))]);
        const config = ['--config', file('wanmark.yaml', printed.stdout)];
        await wanmark.up(...config);
        for (const { down, expected } of STATES) {
          const daemon = await wanmark.run(...config);
          if (down !== undefined) await wanmark.command(['set', down, 'state=down']);
          assert.deepEqual(await ways(lab), expected, `${down} is down`);
          await daemon.crash();
          assert.deepEqual(await ways(lab), expected, `${down} is down, and no daemon runs`);
        }
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
