import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Report } from '#wanmark/lab/experiment.js';
import { runCli } from '../helpers/cli.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';

const NEEDS = needs(nfqueue, addon);

async function lab(...args: string[]): Promise<Report> {
  const { code, stdout, stderr } = await runCli('lab', '--json', ...args);
  assert.equal(code, 0, `${stderr}${stdout}`);
  return JSON.parse(stdout) as Report;
}

/** The connections of each kind that the server saw, by WAN. */
function bySeen(report: Report): number[][] {
  return report.kinds.map(({ seen }) => Object.values(seen));
}

function each<T>(value: T): T[] {
  return Array.from({ length: 8 }, () => value);
}

test('by default: exact thirds of each of the eight kinds', NEEDS, async () => {
  const report = await lab();
  assert.equal(report.strategy, 'weighted');
  assert.equal(report.connections, 720);
  assert.deepEqual(bySeen(report), each([30, 30, 30]));
});

test('weighted: 50/30/10 of each kind', NEEDS, async () => {
  const report = await lab('--weights', '5,3,1');
  assert.equal(report.strategy, 'weighted');
  assert.deepEqual(bySeen(report), each([50, 30, 10]));
});

test('weighted, one port with all gateways behind it', NEEDS, async () => {
  const report = await lab('--weights', '5,3,1', '--shared-port', '--connections', '18');
  assert.equal(report.sharedPort, true);
  assert.deepEqual(bySeen(report), each([10, 6, 2]));
});

test('round-robin on one port', NEEDS, async () => {
  assert.deepEqual(bySeen(await lab('--shared-port', '--connections', '30')), each([10, 10, 10]));
});

test('a weight of 0 takes no new connection', NEEDS, async () => {
  assert.deepEqual(bySeen(await lab('--weights', '1,0,1', '--connections', '20')), each([10, 0, 10]));
});

test('a count that fills no whole round is right within one', NEEDS, async () => {
  const { wans } = await lab('--wans', '5', '--connections', '7');
  assert.deepEqual(
    wans.map(({ seen }) => seen),
    [12, 11, 11, 11, 11],
  );
});

test('the kernel alone: exact with nth, random by weight without', NEEDS, async () => {
  const nth = await lab('--engine', 'kernel', '--kernel-mode', 'nth', '--weights', '5,3,1');
  assert.equal(nth.strategy, 'kernel-nth');
  assert.deepEqual(bySeen(nth), each([50, 30, 10]));
  const random = await lab('--engine', 'kernel', '--weights', '3,1', '--connections', '40');
  assert.equal(random.strategy, 'kernel-random');
  assert.deepEqual(
    random.wans.map(({ expected, decided }) => [expected, decided]),
    [
      [240, null],
      [80, null],
    ],
  );
});

test('failover: all by the first WAN', NEEDS, async () => {
  const report = await lab('--strategy', 'failover', '--connections', '20');
  assert.deepEqual(bySeen(report), each([20, 0, 0]));
});

test('source-hash: each client on one WAN, the clients on more than one', NEEDS, async () => {
  const report = await lab('--strategy', 'sh', '--connections', '24');
  assert.equal(report.strategy, 'source-hash');
  const [tcp4, udp4, tcp6, udp6] = bySeen(report);
  assert.deepEqual(tcp4, udp4);
  assert.deepEqual(tcp6, udp6);
  assert.ok(tcp4!.filter((count) => count > 0).length > 1);
});

test('random: agrees with the decisions, and is random by weight', NEEDS, async () => {
  const report = await lab('--strategy', 'random', '--weights', '3,1');
  assert.deepEqual(
    report.wans.map(({ expected }) => expected),
    [540, 180],
  );
});

test('a strategy of the user: what the server saw is compared with its decisions alone', NEEDS, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'wanmark-'));
  try {
    const file = join(directory, 'last.js');
    writeFileSync(file, 'module.exports = () => ({ pick: (flow, wans) => wans.at(-1) });');
    const report = await lab('--strategy', file, '--connections', '4');
    assert.deepEqual(bySeen(report), each([0, 0, 4]));
    assert.equal(report.wans[0]!.expected, null);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
