import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ExperimentOptions, experiment, type Report } from '#wanmark/lab/experiment.js';
import type { NetworkOptions } from '#wanmark/lab/network.js';
import { runCli } from '../helpers/cli.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';

const NEEDS = needs(nfqueue, addon);

/** A run of `wanmark lab`, with a lab of its own. */
async function command(...args: string[]): Promise<Report> {
  const { code, stdout, stderr } = await runCli('lab', '--json', ...args);
  assert.equal(code, 0, `${stderr}${stdout}`);
  return JSON.parse(stdout) as Report;
}

/** Runs what `wanmark lab` does with one strategy after the other in one lab. */
async function inLab(
  more: NetworkOptions,
  use: (run: (options: Partial<ExperimentOptions>) => Promise<Report>) => Promise<void>,
): Promise<void> {
  const network = { clientAddresses: 12, ...more };
  await withLab(network, ({ lab }) =>
    use(async (options) => {
      const report = await experiment(
        lab,
        { strategy: 'weighted', connections: 20, network, ...options },
        { step: () => {}, progress: () => {} },
      );
      assert.deepEqual(report.problems, []);
      return report;
    }),
  );
}

/** The connections of each kind that the server saw, by WAN. */
function bySeen(report: Report): number[][] {
  return report.kinds.map(({ seen }) => Object.values(seen));
}

function each<T>(value: T): T[] {
  return Array.from({ length: 8 }, () => value);
}

test('weighted, one port with all gateways behind it', NEEDS, async () => {
  const report = await command('--weights', '5,3,1', '--shared-port', '--connections', '18');
  assert.equal(report.strategy, 'weighted');
  assert.equal(report.sharedPort, true);
  assert.deepEqual(bySeen(report), each([10, 6, 2]));
});

test('the kernel alone with nth is exact', NEEDS, async () => {
  const nth = await command('--engine', 'kernel', '--kernel-mode', 'nth', '--weights', '5,3,1');
  assert.equal(nth.strategy, 'kernel-nth');
  assert.deepEqual(bySeen(nth), each([50, 30, 10]));
});

test('weighted: 50/30/10 of each kind, and a weight of 0 takes no new connection', NEEDS, async () => {
  await inLab({ weights: [5, 0, 3, 1] }, async (run) => {
    assert.deepEqual(bySeen(await run({ connections: 90 })), each([50, 0, 30, 10]));
  });
});

test('round-robin on one port', NEEDS, async () => {
  await inLab({ sharedPort: true }, async (run) => {
    const report = await run({ strategy: 'round-robin', connections: 30 });
    assert.deepEqual(bySeen(report), each([10, 10, 10]));
  });
});

test('a count that fills no whole round is right within one', NEEDS, async () => {
  await inLab({ wans: 5 }, async (run) => {
    const { wans } = await run({ connections: 7 });
    assert.deepEqual(
      wans.map(({ seen }) => seen),
      [12, 11, 11, 11, 11],
    );
  });
});

test('random: by weight, as the daemon decides or the kernel', NEEDS, async () => {
  await inLab({ weights: [3, 1] }, async (run) => {
    const random = await run({ strategy: 'random', connections: 90 });
    assert.deepEqual(
      random.wans.map(({ expected }) => expected),
      [540, 180],
    );
    const kernel = await run({ kernelMode: 'random', connections: 40 });
    assert.equal(kernel.strategy, 'kernel-random');
    assert.deepEqual(
      kernel.wans.map(({ expected, decided }) => [expected, decided]),
      [
        [240, null],
        [80, null],
      ],
    );
  });
});

test('failover, source-hash and a strategy of the user', NEEDS, async () => {
  await inLab({}, async (run) => {
    assert.deepEqual(bySeen(await run({ strategy: 'failover' })), each([20, 0, 0]), 'all by the first WAN');

    const hash = await run({ strategy: 'sh', connections: 24 });
    assert.equal(hash.strategy, 'source-hash');
    const [tcp4, udp4, tcp6, udp6] = bySeen(hash);
    assert.deepEqual(tcp4, udp4, 'each client on one WAN');
    assert.deepEqual(tcp6, udp6);
    assert.ok(tcp4!.filter((count) => count > 0).length > 1, 'the clients on more than one');

    const directory = mkdtempSync(join(tmpdir(), 'wanmark-'));
    try {
      const file = join(directory, 'last.js');
      writeFileSync(file, 'module.exports = () => ({ pick: (flow, wans) => wans.at(-1) });');
      const report = await run({ strategy: file, connections: 4 });
      assert.deepEqual(bySeen(report), each([0, 0, 4]));
      assert.equal(
        report.wans[0]!.expected,
        null,
        'what the server saw is compared with its decisions alone',
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
