/** `--engine ahead`: the daemon's choices stand in the rules, and no packet waits for it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import { withLab } from '../helpers/lab.js';
import { MAIN } from '../helpers/main.js';
import { addon, conntrackTable, namespaces, needs, nftables } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { waitForState } from '../helpers/uplinks.js';

const AHEAD = ['--engine', 'ahead', '--backend', 'nft'];

/** The WANs of the places in which the next connections stand, as nft prints them. */
async function places(lab: Lab, chain = 'ahead4.default'): Promise<string[]> {
  const { stdout } = await lab.router.exec(['nft', 'list', 'chain', 'inet', 'wanmark', chain]);
  return [...stdout.matchAll(/goto ahead\.[^/]*\/(\w+)/g)].map(([, wan]) => wan!);
}

const sorted = (names: readonly string[]) => [...new Set(names)].sort();

describe('--engine ahead', needs(namespaces, addon, nftables), () => {
  it('balances exactly by weight, both families in one turn; down removes everything', async () => {
    await withLab({ weights: [5, 3, 1] }, async ({ lab, wanmark }) => {
      const before = await snapshot(lab.router);
      await wanmark.up(...AHEAD);
      const daemon = await wanmark.run(...AHEAD);
      const sum = { wan1: 5, wan2: 3, wan3: 1 };
      for (const from of [lab.client, lab.router]) {
        for (const proto of ['tcp', 'udp'] as const) {
          // Nine connections, of both families.
          const four = await lab.connect({ from, proto, count: 4 });
          const six = await lab.connect({ from, family: 6, proto, count: 5 });
          assert.deepEqual(tally([...four, ...six]), sum, `${from.name} ${proto}`);
        }
      }
      const { wans, queues, ahead } = await statusOf(wanmark);
      assert.deepEqual(
        wans.map(({ picks }) => picks),
        [20, 12, 4],
      );
      assert.deepEqual(queues, []);
      assert.equal(ahead?.failure, null);
      assert.ok(ahead.writes <= 2, `${ahead.writes} writes`);
      assert.match((await wanmark.command(['status'])).stdout, /^engine ahead: choices written \d+ times/m);
      await daemon.stop();
      const summary = daemon.program.lines.filter((line) => line.includes('"summary"'));
      assert.deepEqual(
        summary.map((line) => (JSON.parse(line) as { picks: number }).picks),
        [20, 12, 4],
      );
      await wanmark.down();
      assert.deepEqual(differences(before, await snapshot(lab.router)), []);
    });
  });

  it('gives nothing to a WAN that is down, from when that is said; and its share again when it is back', async () => {
    await withLab({ wans: 3, ipv6: false, up: AHEAD, run: AHEAD }, async ({ lab, wanmark, daemon }) => {
      const held = await lab.connect({ count: 9, hold: true });
      assert.deepEqual(tally(held), { wan1: 3, wan2: 3, wan3: 3 });
      await lab.router.sh('ip link set wan2 down');
      await waitForState(daemon, 'wan down', 'wan2');
      assert.deepEqual(sorted(await places(lab)), ['wan1', 'wan3']);
      assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan1: 4, wan3: 4 });
      await lab.router.sh('ip link set wan2 up');
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      const others = held.filter(({ wan }) => wan !== 'wan2');
      assert.deepEqual(tally(await lab.exchange(lab.client, others)), { wan1: 3, wan3: 3 });
      await wanmark.command(['set', 'wan1', 'weight=0']);
      assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan2: 4, wan3: 4 });
      await wanmark.command(['set', 'wan1', 'weight=3']);
      assert.deepEqual(tally(await lab.connect({ count: 10 })), { wan1: 6, wan2: 2, wan3: 2 });
    });
  });

  it('goes on with the last choices when the daemon is killed, and the next daemon takes them up', async () => {
    await withLab({ weights: [3, 1], up: AHEAD, run: AHEAD }, async ({ lab, wanmark, daemon }) => {
      const chosen = await places(lab);
      assert.equal(chosen.length, 4);
      await daemon.crash();
      assert.deepEqual(await places(lab), chosen);
      assert.deepEqual(tally(await lab.connect({ count: 12 })), { wan1: 9, wan2: 3 });
      assert.match(
        (await wanmark.command(['status'])).stdout,
        /^no daemon answers: the choices of the last one go on/m,
      );
      // Neither a look nor a pass takes them away.
      assert.equal((await wanmark.command(['check'])).code, 0);
      const { stderr } = await wanmark.command(['refresh', '--verbose']);
      assert.doesNotMatch(stderr, /nft -f/);
      assert.deepEqual(await places(lab), chosen);
      const next = await wanmark.run(...AHEAD);
      assert.deepEqual(tally(await lab.connect({ count: 12 })), { wan1: 9, wan2: 3 });
      await next.stop();
      assert.deepEqual(await places(lab), chosen);
    });
  });

  it('is written anew by a daemon that runs, whoever took it away; up with other WANs takes it away', async () => {
    await withLab({ wans: 3, up: AHEAD, run: AHEAD }, async ({ lab, wanmark, daemon }) => {
      const back = () =>
        eventually(
          () => places(lab).catch(() => []),
          (all) => all.length === 3,
          'choices',
        );
      await lab.router.sh('nft flush chain inet wanmark ahead4.default');
      await back();
      await lab.router.sh('nft flush ruleset');
      await back();
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await daemon.stop();
      await wanmark.down();
      const two = lab.wans
        .slice(0, 2)
        .flatMap(({ name, dev, via }) => ['--wan', `${name},dev=${dev},via=${via}`]);
      await wanmark.up(...AHEAD);
      const again = await wanmark.run(...AHEAD);
      await again.crash();
      assert.equal((await places(lab)).length, 3);
      await wanmark.command(['up', ...two, ...AHEAD]);
      assert.deepEqual(await places(lab), []);
      assert.deepEqual(sorted((await lab.connect({ count: 40 })).map(({ wan }) => wan!)), ['wan1', 'wan2']);
      // To another engine and back, with the rules of each.
      await wanmark.up('--engine', 'kernel', '--backend', 'nft');
      const { stdout } = await lab.router.sh('nft list table inet wanmark');
      assert.doesNotMatch(stdout, /ahead/);
    });
  });

  it('writes a line for each connection, when it has begun', async () => {
    await withLab({ weights: [2, 1], up: AHEAD, run: AHEAD }, async ({ lab, daemon }) => {
      const flows = [
        ...(await lab.connect({ count: 6 })),
        ...(await lab.connect({ count: 6, family: 6, proto: 'udp' })),
      ];
      await daemon.stop();
      const decisions = daemon.decisions.map(
        ({ src, sport, wan, proto }) => `${proto} ${src} ${sport} ${wan}`,
      );
      assert.equal(decisions.length, 12);
      assert.deepEqual(tally(daemon.decisions), tally(flows));
    });
  });

  it('follows a policy, to the one behind it when its WANs are down', async () => {
    const rule = ['--policy', 'video,use=wan3,none=office', '--policy', 'office,use=wan2', '--rule'];
    const flags = [...AHEAD, ...rule, 'video,dport=7,proto=udp', '--rule', 'office,from=10.255.0.0/16'];
    await withLab({ wans: 3, ipv6: false, up: flags, run: flags }, async ({ lab, wanmark, daemon }) => {
      const udp = async () => tally(await lab.connect({ proto: 'udp', count: 4 }));
      assert.deepEqual(await udp(), { wan3: 4 });
      assert.deepEqual(await places(lab, 'ahead4.video'), ['wan3']);
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await lab.router.sh('ip link set wan3 down');
      await waitForState(daemon, 'wan down', 'wan3');
      assert.deepEqual(await udp(), { wan2: 4 });
      assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan1: 4, wan2: 4 });
      const { policies } = await statusOf(wanmark);
      assert.deepEqual(
        policies.map(({ name, wans }) => [name, wans.map(({ picks }) => picks)]),
        [
          ['video', [4]],
          ['office', [4]],
        ],
      );
    });
  });

  it('goes over to another configuration by a reload', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    const file = join(directory, 'wanmark.json');
    try {
      await withLab({ wans: 3, ipv6: false }, async ({ lab, wanmark }) => {
        const write = (count: number, weight: number) => {
          const wan = lab.wans
            .slice(0, count)
            .map(
              ({ name, dev, via }) => `${name},dev=${dev},via=${via},weight=${name === 'wan1' ? weight : 1}`,
            );
          const more = { engine: 'ahead', backend: 'nft', 'up-after': 0, 'slow-start': 0 };
          writeFileSync(file, JSON.stringify({ wan, ...more }));
        };
        write(3, 1);
        const program = lab.router.spawn([process.execPath, MAIN, 'run', '--up', '--config', file]);
        await program.waitForLine((line) => line.includes('"msg":"started"'));
        assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 2, wan2: 2, wan3: 2 });
        write(2, 3);
        await wanmark.command(['reload']);
        assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan1: 6, wan2: 2 });
        write(3, 2);
        await wanmark.command(['reload']);
        assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan1: 4, wan2: 2, wan3: 2 });
        await program.kill('SIGTERM');
        assert.equal((await program.exited).code, 0);
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  for (const strategy of ['source-hash', 'hash:src,dport'])
    it(`keeps on one WAN what ${strategy} has in common, while that can be used`, async () => {
      const flags = [...AHEAD, '--strategy', strategy];
      await withLab({ wans: 3, clients: 6, up: AHEAD, run: flags }, async ({ lab, daemon }) => {
        const look = async () => {
          const found = new Map<string, string>();
          for (const from of lab.clients) {
            for (const family of [4, 6] as const) {
              const wans = sorted((await lab.connect({ from, family, count: 3 })).map(({ wan }) => wan!));
              for (const source of lab.sourcesOf(from, family))
                found.set(`${from.name} ${source}`, wans.join());
            }
          }
          return found;
        };
        const first = await look();
        assert.deepEqual(await look(), first);
        const gone = [...first.values()][0]!.split(',')[0]!;
        await lab.router.sh(`ip link set ${gone} down`);
        await waitForState(daemon, 'wan down', gone);
        const second = await look();
        for (const [client, wan] of second) {
          assert.ok(!wan.includes(gone), client);
          if (!first.get(client)!.includes(gone)) assert.equal(wan, first.get(client), client);
        }
      });
    });
});

describe('--engine ahead by counts', needs(namespaces, addon, nftables, conntrackTable), () => {
  it('fills up the WAN that has less', async () => {
    const flags = [...AHEAD, '--strategy', 'least-connections'];
    await withLab(
      { wans: 3, up: AHEAD, run: [...AHEAD, '--strategy', 'failover'] },
      async ({ lab, wanmark, daemon }) => {
        assert.deepEqual(tally(await lab.connect({ count: 60, hold: true })), { wan1: 60 });
        await daemon.stop();
        const second = await wanmark.run(...flags);
        assert.deepEqual(sorted(await places(lab)).includes('wan1'), true, 'what comes behind the first 120');
        const counts = tally(await lab.connect({ count: 60, hold: true, family: 6 }));
        assert.deepEqual(counts, { wan2: 30, wan3: 30 });
        await second.stop();
      },
    );
  });
});
