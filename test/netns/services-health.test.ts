import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BackendStatus } from '#wanmark/control/status.js';
import { exponentialSyns } from '../helpers/load.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, eventually } from '../helpers/router-state.js';
import { PORT, ROUTER, type ServicesLab, server, withServices } from '../helpers/services.js';

const NAMES = [1, 2, 3, 4].map((k) => `${server(k)}:${PORT}`);
const BACKENDS = NAMES.flatMap((name, i) => ['--backend', `web,to=${name}${i === 3 ? ',tier=2' : ''}`]);
/** Three servers, and a fourth for when none of them works. */
const FLAGS = ['--kernel-mode=nth', '--service', `web,listen=${ROUTER[4]}:80/tcp`, ...BACKENDS];
const WATCH = [
  ...['--check', 'web=tcp,interval=0.2,timeout=0.3,fall=2,rise=2', '--check', 'web=ping,interval=0.5'],
  ...['--up-after', '0', '--slow-start', '0'],
];

/** A counter of TCP of each server; see /proc/net/snmp. */
const tcpCounter = (name: 'PassiveOpens' | 'AttemptFails') => (lab: ServicesLab) =>
  Promise.all(
    lab.servers.map(async (one) => {
      const [names, values] = (await one.sh('grep ^Tcp: /proc/net/snmp')).stdout.trim().split('\n');
      return Number(values!.split(' ')[names!.split(' ').indexOf(name)]);
    }),
  );

/** How many connections its programs could accept. */
const passiveOpens = tcpCounter('PassiveOpens');
/** How many were reset before that. */
const tcpResets = tcpCounter('AttemptFails');

const backends = async (lab: ServicesLab): Promise<readonly BackendStatus[]> =>
  (await lab.status()).services[0]!.backends;

const waitForStates = (lab: ServicesLab, states: string) =>
  eventually(
    async () => (await backends(lab)).map(({ state }) => state).join(' '),
    (found) => found === states,
    `the servers to be ${states}`,
  );

/** Waits until the kernel's own choice has the first three servers again. */
const waitForThree = (lab: ServicesLab) =>
  eventually(
    async () => (await lab.router.sh('iptables -t nat -S WANMARK_POOL1')).stdout,
    (rules) => ['0x100/', '0x200/', '0x300/'].every((mark) => rules.includes(mark)),
    'the rules to have three servers',
  );

const link = (lab: ServicesLab, k: number, state: 'up' | 'down') =>
  lab.servers[k - 1]!.sh(
    `ip link set back0 ${state}${state === 'up' ? '; ip route replace default via 10.0.0.1' : ''}`,
  );

describe('servers of a service', needs(nfqueue, addon, conntrackTable), () => {
  it('leave the pool when they are dead, for the daemon and the kernel, with their connections; and come back', async () => {
    await withServices({ servers: 4 }, async (lab) => {
      await lab.up(...FLAGS);
      const daemon = await lab.run(...FLAGS, ...WATCH);
      await eventually(
        async () => (await backends(lab)).every(({ checks }) => checks.length === 2),
        Boolean,
        'the first round of each check',
      );
      const held = await lab.connect({ count: 9, hold: true, tag: 'held' });
      assert.deepEqual(await lab.counts('held'), [3, 3, 3, 0], 'the fourth is of a higher tier');

      await link(lab, 2, 'down');
      await waitForStates(lab, 'up down up up');
      assert.deepEqual(await lab.spread({ count: 10, tag: 'two' }), [5, 0, 5, 0]);
      await eventually(
        async () => (await conntrack(lab.router)).filter(({ mark }) => mark === 0x200).length,
        (left) => left === 0,
        'the connections of the dead server to be cut',
      );
      const lost = new Set((await lab.seen('held'))[1]!.map(({ sport }) => sport));
      const others = held.filter(({ sport }) => !lost.has(sport));
      assert.deepEqual(
        (await lab.exchange(others)).filter(({ error }) => error),
        [],
      );
      const [, dead] = await backends(lab);
      assert.match(dead!.reason, /^(tcp|ping) 10.0.0.3(:7000)?: 2 of 2 rounds failed|3 of 3 rounds failed/);
      const table = (await lab.wanmark('status')).stdout;
      assert.match(table, /\n10.0.0.3:7000: down for /);
      assert.match(table, /\n10.0.0.2:7000: tcp 10.0.0.2:7000: [\d.]+ ms, 0.0 % lost in a minute/);

      await daemon.crash();
      assert.deepEqual(
        await lab.spread({ count: 10, tag: 'kernel' }),
        [5, 0, 5, 0],
        'the kernel knows it, too',
      );

      const next = await lab.run(...FLAGS, ...WATCH);
      await waitForStates(lab, 'up down up up');
      await link(lab, 2, 'up');
      await waitForStates(lab, 'up up up up');
      assert.deepEqual(await lab.spread({ count: 9, tag: 'back' }), [3, 3, 3, 0]);
      for (const k of [1, 2, 3]) await link(lab, k, 'down');
      await waitForStates(lab, 'down down down up');
      assert.deepEqual(await lab.spread({ count: 4, tag: 'reserve' }), [0, 0, 0, 4]);
      await next.stop();
    });
  });

  it('are asked without a word of configuration or to their programs, and all kept where all are silent', async () => {
    await withServices({ servers: 3 }, async (lab) => {
      const flags = [
        '--kernel-mode=nth',
        '--service',
        `web,listen=${ROUTER[4]}:80/tcp`,
        ...BACKENDS.slice(0, 6),
      ];
      await lab.up(...flags);
      const opened = await passiveOpens(lab);
      const daemon = await lab.run(...flags);
      await eventually(
        async () => (await tcpResets(lab)).every((count) => count >= 2),
        Boolean,
        'two probes of each server that were reset',
      );
      assert.deepEqual(await passiveOpens(lab), opened, 'no program accepted any of them');
      await daemon.stop();

      // On a busy machine a late decision would be the kernel's, which may still know of a server as the only one that is down.
      const quick = await lab.run(...flags, ...WATCH, '--deadline', '10000');

      const held = await lab.connect({ count: 3, hold: true, tag: 'held' });
      const block = (how: '-I' | '-D') => lab.router.sh(`iptables ${how} OUTPUT -d 10.0.0.0/24 -j DROP`);
      await block('-I');
      await waitForStates(lab, 'down down down');
      await waitForThree(lab);
      // Each change of state is followed a moment after it is in the status.
      let tries = 0;
      await eventually(
        () => lab.spread({ count: 6, tag: `blocked${tries++}` }),
        (spread) => spread.join() === '2,2,2',
        'all three to have their share',
      );
      await block('-D');
      await waitForStates(lab, 'up up up');
      const kept = await lab.exchange(held);
      assert.deepEqual(
        kept.filter(({ error }) => error),
        [],
      );
      await quick.stop();
    });
  });

  it('fail no client by dying, since its next SYN goes to another one, and few by refusing', async () => {
    await withServices({ servers: 3 }, async (lab) => {
      const flags = ['--service', `web,listen=${ROUTER[4]}:80/tcp`, ...BACKENDS.slice(0, 6)];
      await lab.up(...flags);
      // The kernel's own choice knows no second chance, so it must not have to step in for a busy machine.
      const daemon = await lab.run(...flags, '--deadline', '5000');
      await exponentialSyns(lab);
      await eventually(
        async () => (await backends(lab)).every(({ checks }) => checks.length === 1),
        Boolean,
        'the first round of each check',
      );
      const failed = async (count: number) =>
        (await lab.connect({ count, concurrency: count, timeoutMs: 6000 })).filter(({ error }) => error)
          .length;
      const refuse = (how: '-A' | '-D') =>
        lab.servers[2]!.sh(`iptables ${how} INPUT -p tcp --dport ${PORT} -j REJECT --reject-with tcp-reset`);
      await refuse('-A');
      assert.equal(await failed(3), 1, 'the client itself is refused');
      await waitForStates(lab, 'up up suspected');
      assert.equal(await failed(6), 0);
      await refuse('-D');
      await waitForStates(lab, 'up up up');

      await link(lab, 2, 'down');
      assert.equal(await failed(12), 0);
      await waitForStates(lab, 'up suspected up');
      await daemon.stop();
    });
  });

  it('are drained and set down by hand, until the next start', async () => {
    await withServices({ servers: 4 }, async (lab) => {
      await lab.up(...FLAGS);
      const daemon = await lab.run(...FLAGS);
      const set = async (...words: string[]) => {
        const { stdout, stderr, code } = await lab.wanmark('set', ...words);
        return code === 0 ? stdout.trim() : `${code}: ${stderr.trim()}`;
      };
      const held = await lab.connect({ count: 3, hold: true, tag: 'held' });
      assert.equal(await set(`web/${NAMES[0]}`, 'weight=0'), `web/${NAMES[0]}: weight 0 (drain), was 1`);
      assert.equal(await set(NAMES[1]!, 'state=down'), `web/${NAMES[1]}: state down, was auto`);
      assert.deepEqual(await lab.spread({ count: 4, tag: 'one' }), [0, 0, 4, 0]);
      const kept = await lab.exchange(held);
      assert.equal(
        kept.filter(({ error }) => error).length,
        1,
        'only those of the server that is down are cut',
      );
      const [drained, down] = await backends(lab);
      assert.deepEqual(
        [
          drained!.state,
          drained!.configuredWeight,
          drained!.reason,
          down!.state,
          down!.setState,
          down!.reason,
        ],
        ['drain', 1, 'weight 0', 'down', 'down', 'set down by hand'],
      );
      assert.match(
        await set('wbe/10.0.0.2:7000', 'weight=0'),
        /^2: .*there is no backend "wbe\/.*did you mean "web\/10.0.0.2:7000"/,
      );
      for (const name of NAMES.slice(1, 3)) await set(name, 'weight=0');
      assert.match(await set(NAMES[3]!, 'weight=0'), /every backend of web has weight 0/);
      assert.deepEqual(await lab.spread({ count: 4, tag: 'reserve' }), [0, 0, 0, 4]);

      assert.match(await set('web', 'weight=0'), /^2: .*use state=down/);
      const last = await lab.connect({ hold: true, tag: 'last' });
      assert.match(await set('web', 'state=down'), /^web: .*web\/10.0.0.5:7000 state down, was auto/);
      const [refused] = await lab.connect({ tag: 'closed', timeoutMs: 500 });
      assert.match(refused!.error ?? '', /./, 'nobody takes new connections');
      assert.deepEqual(
        (await lab.exchange(last)).map(({ error }) => error),
        [undefined],
      );
      assert.match(await set('web', 'state=auto'), /^web: state auto \(up\), was down \(all 4\)/);
      assert.deepEqual(await lab.spread({ count: 4, tag: 'open' }), [0, 0, 0, 4]);
      await daemon.crash();
      assert.deepEqual(await lab.spread({ count: 4, tag: 'kernel' }), [0, 0, 0, 4], 'the kernel keeps to it');
      const next = await lab.run(...FLAGS);
      await waitForThree(lab);
      assert.deepEqual(await lab.spread({ count: 3, tag: 'again' }), [1, 1, 1, 0]);
      await next.stop();
    });
  });
});
