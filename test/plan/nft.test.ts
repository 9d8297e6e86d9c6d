/**
 * A plan for nft: what `up` does from nothing, word for word; whether nft reads it; and the difference between two states.
 * `WANMARK_GOLDEN=write` writes the texts instead; read the difference before you keep it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { TargetId } from '#wanmark/core/target.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { nftSteps, settledParts } from '#wanmark/plan/diff/nft.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { hashLines } from '#wanmark/plan/render/nft/hash.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROOT } from '../docs/pages.js';
import { CASES, type Case } from './golden-cases.js';
import { randomRouter } from './machines.js';
import { ROUTER } from './router.js';

const NOTHING = { have: [], asked: [] };

const USER = 'unshare -Urn true 2>/dev/null';
const canCheck =
  spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin; command -v nft && ${USER}`]).status === 0
    ? false
    : 'no nft, or no user namespace';

/** The lines of a random router; undefined where its configuration is refused. */
function randomLines(seed: number): readonly string[] | undefined {
  const { raw, facts, down, weights } = randomRouter(seed);
  const config = configOf(raw);
  if (config === undefined) return undefined;
  const states = { ...NO_STATES, down: new Set(down as TargetId[]), weights: new Map(weights) };
  return planLists(buildPlan(config, { ...facts, keepsSets: true }, states), 'nft').get('nft');
}

function linesOf({ raw, states, facts }: Case): readonly string[] {
  const { ipsets: _, ...known } = { ...ROUTER, keepsSets: true, ...facts };
  const config = parseConfig(raw);
  return planLists(buildPlan(config, known, { ...NO_STATES, ...states }), 'nft').get('nft')!;
}

/** The configuration; undefined where it is refused, as some random ones are. */
function configOf(raw: Readonly<Record<string, unknown>>) {
  try {
    return parseConfig(raw);
  } catch {
    return undefined;
  }
}

/** What nft says about a batch, in a network namespace of its own; `queue` is left out, which not every kernel has. */
function complaint(batch: readonly string[]): string {
  const input = batch.map((line) => `${withoutQueue(line)}\n`).join('');
  const argv = ['-Urn', 'sh', '-c', 'PATH=$PATH:/usr/sbin TZ=UTC nft -f -'];
  return spawnSync('unshare', argv, { input, encoding: 'utf8' }).stderr;
}

/** The parts of our table after some batches, without their order, which says nothing. */
function shown(batches: readonly (readonly string[])[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'wanmark-nft-'));
  const files = batches.map((lines, i) => {
    const file = join(folder, `${i}.nft`);
    writeFileSync(file, lines.map((line) => `${withoutQueue(line)}\n`).join(''));
    return file;
  });
  const script = 'PATH=$PATH:/usr/sbin TZ=UTC; for file; do nft -f "$file"; done; nft -s list ruleset';
  const argv = ['-Urn', 'sh', '-ec', script, 'sh', ...files];
  const { stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  assert.equal(stderr, '');
  const parts = stdout.split('\n').filter((line) => line.startsWith('\t'));
  return [...parts, ''].join('\n').split('\n\t}\n').toSorted();
}

/** Not every kernel has the queue. */
function withoutQueue(line: string): string {
  return line.replace(/queue num \S+ bypass/, 'accept');
}

describe('up with nft, from nothing', () => {
  for (const [name, one] of Object.entries(CASES)) {
    const golden = `${ROOT}test/plan/golden/nft/${name}.nft`;
    const steps = nftSteps(NOTHING, linesOf(one));

    test(`${name} is as in golden/nft/${name}.nft`, () => {
      const text = steps.map((line) => `${line}\n`).join('');
      if (process.env.WANMARK_GOLDEN === 'write') writeFileSync(golden, text);
      assert.equal(text, existsSync(golden) ? readFileSync(golden, 'utf8') : '');
    });

    test(`${name}: nft and the kernel take it`, { skip: canCheck }, () => {
      assert.equal(complaint(steps), '');
    });

    test(`${name}: every use of a mark has a mask`, () => {
      for (const line of steps)
        for (const [use] of line.matchAll(/(?:meta|ct) mark(?: set)? (?!&|set|\|)\S+(?: \S+)?/g))
          assert.match(use, /^(meta|ct) mark set (meta|ct) mark$/, line);
    });
  }

  test('random routers: nft and the kernel take it', { skip: canCheck }, () => {
    for (let seed = 1; seed <= 25; seed++) {
      const lines = randomLines(seed);
      if (lines !== undefined) assert.equal(complaint(nftSteps(NOTHING, lines)), '', `seed ${seed}`);
    }
  });
});

describe("the kernel's choice by a hash", () => {
  const WANS = [
    'one,dev=eth1,via=192.0.2.1,via6=fe80::1,weight=2',
    'two,dev=eth2,via=198.51.100.1,via6=fe80::2',
  ];
  const lines = (fields: string) =>
    linesOf({ raw: { wan: WANS, engine: 'kernel', 'kernel-mode': `hash:${fields}` } });
  const choosing = (fields: string, family: number) =>
    lines(fields)
      .filter((line) => line.startsWith(`rule mangle${family}.WANMARK_KERNEL `) && line.includes('jhash'))
      .map((line) => line.replace(/vmap .*/, 'vmap'));

  test('hashes the fields in one order, and ports only where there are some', () => {
    const undecided = 'meta mark & 0x3f000000 == 0x00000000';
    const ports = 'meta l4proto { tcp, udp, dccp, sctp, udplite }';
    const end = 'mod 512 seed 0x1 vmap';
    const rule = (family: number, words: string) =>
      `rule mangle${family}.WANMARK_KERNEL ${undecided} ${words} ${end}`;
    assert.deepEqual(choosing('src', 4), [rule(4, 'jhash ip saddr')]);
    assert.deepEqual(choosing('dst+src', 4), [rule(4, 'jhash ip saddr . ip daddr')]);
    assert.deepEqual(choosing('dport,src,proto', 4), [
      rule(4, `${ports} jhash ip saddr . th dport . meta l4proto`),
      rule(4, 'jhash ip saddr . meta l4proto'),
    ]);
    assert.deepEqual(choosing('sport', 4), [
      rule(4, `${ports} jhash th sport`),
      rule(4, 'jhash meta l4proto'),
    ]);
    const shares = [1, 2].map((value) => ({ name: `wan${value}`, value, weight: 1 }));
    const [six] = hashLines({ mask: 0xff, mode: 'random', shares }, ['src', 'dst'], 6);
    assert.match(six!, /^meta mark & 0x000000ff == 0x00000000 jhash ip6 saddr \. ip6 daddr mod 512 /);
  });

  test('gives each WAN its share of the places', () => {
    const rule = lines('src').find((line) => line.includes('jhash'))!;
    const places = [...rule.matchAll(/(\d+) : jump mark_(\S+)\/0x3f000000/g)];
    assert.deepEqual(
      places.map(([, place]) => Number(place)),
      Array.from({ length: 512 }, (_, i) => i),
    );
    const ofOne = places.filter(([, , mark]) => mark === places[0]![2]).length;
    const share = Math.max(ofOne, 512 - ofOne) / 512;
    assert.ok(Math.abs(share - 2 / 3) < 0.06, `${share}`);
  });

  test('nft and the kernel take it, and nft prints it as we write it', { skip: canCheck }, () => {
    for (const fields of ['src', 'src,sport,dst,dport,proto', 'sport']) {
      const want = lines(fields);
      const text = shown([nftSteps(NOTHING, want)]).join('\n');
      for (const line of want.filter((one) => one.includes('jhash')))
        assert.ok(text.includes(line.replace(/^rule \S+ /, '')), line.slice(0, 200));
    }
  });
});

describe('choices that a daemon writes ahead', () => {
  const FIBRE = 'fibre,dev=eth1,via=192.0.2.1,via6=fe80::1,weight=2';
  const DSL = 'dsl,dev=eth2,via=198.51.100.1,via6=fe80::2';
  const raw = {
    engine: 'ahead',
    firewall: 'nft',
    policy: ['video,use=dsl'],
    rule: ['video,to=203.0.113.0/24'],
  };
  const both = linesOf({ raw: { ...raw, wan: [FIBRE, DSL] } });

  test('have a chain for each family and target, in front of the choice of the kernel', () => {
    const ours = both.filter((line) => /\bahead/.test(line) && !line.startsWith('chain'));
    const write = (value: string) => `meta mark set meta mark & 0xc0ffffff | ${value}`;
    assert.deepEqual(ours.toSorted(), [
      'counter ahead.default/dsl',
      'counter ahead.default/fibre',
      'counter ahead.video/dsl',
      `rule ahead.default/dsl counter name "ahead.default/dsl" ${write('0x02000000')}`,
      `rule ahead.default/fibre counter name "ahead.default/fibre" ${write('0x01000000')}`,
      `rule ahead.video/dsl counter name "ahead.video/dsl" ${write('0x02000000')}`,
      'rule mangle4.WANMARK_BY_video meta mark & 0x3f000000 == 0x3d000000 jump ahead4.video',
      'rule mangle4.WANMARK_KERNEL meta mark & 0x3f000000 == 0x00000000 jump ahead4.default',
      'rule mangle6.WANMARK_KERNEL meta mark & 0x3f000000 == 0x00000000 jump ahead6.default',
    ]);
    const kernel = both.filter((line) => line.startsWith('rule mangle4.WANMARK_KERNEL '));
    assert.match(kernel[1]!, /numgen random mod 3 vmap/);
    assert.ok(!both.some((line) => line.includes('queue')));
  });

  test('stay when others change, and go when one goes to which they may lead', { skip: canCheck }, () => {
    const fresh = nftSteps(NOTHING, both);
    assert.equal(complaint(fresh), '');
    const write = ['4', '6'].map(
      (family) =>
        `add rule inet wanmark ahead${family}.default numgen inc mod 2 vmap { 0 : goto ahead.default/dsl, 1 : goto ahead.default/fibre }`,
    );
    const lighter = linesOf({ raw: { ...raw, wan: [FIBRE.replace('=2', '=5'), DSL] } });
    const change = nftSteps({ have: both, asked: both }, lighter);
    assert.ok(!change.some((line) => line.includes('ahead4.default') && !line.includes('jump')), `${change}`);
    const kept = shown([fresh, write, change]);
    assert.ok(
      kept.some((part) => part.includes('chain ahead4.default') && part.includes('numgen inc mod 2')),
    );
    const one = linesOf({ raw: { ...raw, wan: [FIBRE, 'lte,dev=ppp0,via=dev'], policy: [], rule: [] } });
    assert.deepEqual(
      shown([fresh, write, nftSteps({ have: both, asked: both }, one)]),
      shown([nftSteps(NOTHING, one)]),
    );
    const none = linesOf({ raw: { wan: [FIBRE, DSL], engine: 'kernel' } });
    assert.deepEqual(
      shown([fresh, write, nftSteps({ have: both, asked: both }, none)]),
      shown([nftSteps(NOTHING, none)]),
    );
  });
});

describe('the difference between two nft tables', () => {
  const want = linesOf(CASES.kernel!);

  test('is nothing where the state is the wanted one, whatever its kernel prints', () => {
    const have = want.map((line) => line.replace(/^(rule .*) 0x0000/, '$1 0x00'));
    assert.deepEqual(nftSteps({ have, asked: settledParts(have, { want, have }) }, want), []);
  });

  test('is the whole table where nothing is wanted any more', () => {
    assert.deepEqual(nftSteps({ have: want, asked: want }, []), ['delete table inet wanmark']);
    assert.deepEqual(nftSteps(NOTHING, []), []);
  });

  test('makes anew what somebody has changed, and nothing else', () => {
    const chain = 'mangle4.WANMARK_NEW';
    const have = want.filter(
      (line) => !line.startsWith(`rule ${chain} fib`) && line !== 'element specific_4 10.0.0.0/8',
    );
    const steps = nftSteps({ have, asked: settledParts(have, { want, have: want }) }, want);
    const rules = want
      .filter((line) => line.startsWith(`rule ${chain} `))
      .map((line) => line.slice(`rule ${chain} `.length));
    assert.deepEqual(
      steps.filter((line) => !line.includes(' element ')),
      [
        'add table inet wanmark',
        `flush chain inet wanmark ${chain}`,
        'flush set inet wanmark specific_4',
        ...rules.map((rule) => `add rule inet wanmark ${chain} ${rule}`),
      ],
    );
    assert.match(
      steps.find((line) => line.includes(' element '))!,
      /^add element inet wanmark specific_4 \{ 10\.0\.0\.0\/8, /,
    );
  });

  test('leads from any state to any other, as the kernel says', { skip: canCheck }, () => {
    const all = Array.from({ length: 40 }, (_, i) => randomLines(i + 100)).filter((one) => one !== undefined);
    assert.ok(all.length > 10);
    for (const [i, to] of all.entries()) {
      const from = all[(i + 7) % all.length]!;
      const fresh = nftSteps(NOTHING, to);
      const change = nftSteps({ have: from, asked: from }, to);
      assert.deepEqual(shown([nftSteps(NOTHING, from), change]), shown([fresh]), `${i}`);
    }
  });
});
