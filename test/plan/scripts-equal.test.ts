/**
 * The plan against the scripts that it replaces: the same rules, ip rules and routes for the same router, on 500 random
 * ones. A fake `ip` tells the scripts of the machine that the plan has as facts.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { FAMILIES, type Family } from '#wanmark/core/family.js';
import type { TargetId } from '#wanmark/core/target.js';
import { UsageError } from '#wanmark/errors.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { tableSteps } from '#wanmark/plan/diff/iptables.js';
import type { Facts, MainRoute } from '#wanmark/plan/facts.js';
import { STAGES } from '#wanmark/plan/plan.js';
import { ipRouteLines, ipRuleLines } from '#wanmark/plan/render/ip.js';
import { iptablesLines } from '#wanmark/plan/render/iptables.js';
import { scriptEnvironment } from '#wanmark/system/scripts.js';
import { randomFrom, randomRouter } from './machines.js';

const SCRIPTS = process.env.WANMARK_OLD_SCRIPTS ?? '/tmp/old/scripts';
const SEEDS = Number(process.env.SEEDS ?? 500);
const FIRST = Number(process.env.FIRST_SEED ?? 1);
const bin = mkdtempSync(join(tmpdir(), 'wanmark-equal-'));
after(() => rmSync(bin, { recursive: true }));

writeFileSync(
  join(bin, 'driver.sh'),
  `HERE=${SCRIPTS}
for file in lib wans firewall chains rules nat routes forward; do . $HERE/$file.sh; done
SOFT=soft WORK=${bin} STATE=${bin}/none
read_settings
find_uplinks 2>/dev/null
for f in $FAMILIES; do
  echo "== mangle $f"; rules_render $f 2>/dev/null
  echo "== nat $f"; nat_render $f
  echo "== filter $f"; service_forward $f
  echo "== rules $f"; rules_wanted $f
  echo "== routes $f"; routes_wanted $f
done
`,
);
writeFileSync(
  join(bin, 'batch.sh'),
  `HERE=${SCRIPTS}; . $HERE/lib.sh; . $HERE/firewall.sh
batch $1 ${bin}/now \${2:+${bin}/before} <${bin}/want\n`,
);

function routeText({ dst, isThrow, metric, ways }: MainRoute): string {
  const words = (way: MainRoute['ways'][number]) => `${way.via ? `via ${way.via} ` : ''}dev ${way.dev}`;
  const head = isThrow ? `9 ${dst}` : ways.length === 0 ? `6 ${dst}` : dst;
  if (ways.length <= 1) {
    const [way] = ways;
    return `${head} ${way ? words(way) : ''} proto 16 metric ${metric}${way?.unusable ? ' dead linkdown' : ''}`;
  }
  return [
    `${head} proto 16 metric ${metric}`,
    ...ways.map((way) => `\tnexthop ${words(way)} weight 1${way.unusable ? ' dead' : ''}`),
  ].join('\n');
}

function fakeIp(facts: Facts): string {
  const cases: string[] = [];
  const add = (pattern: string, lines: string[]) =>
    cases.push(`${pattern}) cat <<'E'\n${lines.join('\n')}\nE\n;;`);
  for (const family of FAMILIES) {
    add(`'-N -${family} route show table main'`, facts.main[family].map(routeText));
    const lines = facts.addresses[family].map(
      ({ dev, address }) => `2: ${dev}    inet ${address} scope global ${dev}`,
    );
    add(`'-o -${family} addr show scope global'`, lines);
    for (const dev of facts.devices.keys()) {
      add(
        `'-o -${family} addr show dev ${dev} scope global'`,
        lines.filter((line) => line.includes(` ${dev} `)),
      );
    }
  }
  add(
    `'-o link show'`,
    [...facts.devices].map(
      ([name, { index, up, pointToPoint }]) =>
        `${index}: ${name}: <BROADCAST${up ? ',UP' : ''}${pointToPoint ? ',POINTOPOINT' : ''},LOWER_UP> mtu 1500`,
    ),
  );
  for (const key of facts.onLink) {
    const [dev, address] = key.split(' ') as [string, string];
    const family: Family = address.includes(':') ? 6 : 4;
    add(`'-${family} route get fibmatch ${address} oif ${dev}'`, [`${address}/24 dev ${dev} proto kernel`]);
  }
  for (const [key, mac] of facts.macs) {
    const [dev, address] = key.split(' ') as [string, string];
    add(`'-N -${address.includes(':') ? 6 : 4} neigh show ${address} dev ${dev}'`, [
      `${address} lladdr ${mac} REACHABLE`,
    ]);
  }
  for (const [address, network] of facts.networks) {
    if (network === address) continue;
    add(`'-N -${address.includes(':') ? 6 : 4} route get fibmatch ${address}'`, [`${network} dev lan0`]);
  }
  return `#!/bin/sh\ncase "$*" in\n${cases.join('\n')}\nesac\n`;
}

function oldWay(env: Record<string, string>, facts: Facts): string {
  writeFileSync(join(bin, 'ip'), fakeIp(facts));
  chmodSync(join(bin, 'ip'), 0o755);
  const { status, stdout, stderr } = spawnSync('sh', [join(bin, 'driver.sh')], {
    encoding: 'utf8',
    env: { PATH: `${bin}:${process.env.PATH}`, ...env },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

function oldBatch(table: string, now: string[], before: string[] | undefined, want: string[]): string[] {
  const text = (lines: string[]) => lines.map((line) => `${line}\n`).join('');
  writeFileSync(join(bin, 'now'), text(now));
  writeFileSync(join(bin, 'before'), text(before ?? []));
  writeFileSync(join(bin, 'want'), text(want));
  const { stdout } = spawnSync('sh', [join(bin, 'batch.sh'), table, ...(before ? ['yes'] : [])], {
    encoding: 'utf8',
  });
  const lines = stdout.split('\n').filter(Boolean);
  return lines.slice(1, -1);
}

test(`the plan is what the scripts made, ${SEEDS} random routers`, () => {
  let refused = 0;
  let last: Record<string, string[]> = {};
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const { raw, facts, down, weights } = randomRouter(seed);
    let config: ReturnType<typeof parseConfig>;
    try {
      config = parseConfig(raw);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      refused++;
      continue;
    }
    const plan = buildPlan(config, facts, { down: new Set(down as TargetId[]), weights: new Map(weights) });
    const made = FAMILIES.filter((family) => plan.families[family].served).flatMap((family) => {
      const one = plan.families[family];
      return [
        ...(['mangle', 'nat', 'filter'] as const).flatMap((stage) => [
          `== ${stage} ${family}`,
          ...iptablesLines(one, stage),
        ]),
        `== rules ${family}`,
        ...ipRuleLines(one),
        `== routes ${family}`,
        ...ipRouteLines(one),
      ];
    });
    const env = {
      ...scriptEnvironment(config),
      WANMARK_TABLE: String(config.table),
      WANMARK_PRIORITY: String(config.priority),
      WANMARK_DOWN: down.map((id) => id.replace('/', ':')).join(' '),
      WANMARK_WEIGHTS: weights.map(([name, weight]) => `${name}=${weight}`).join(' '),
    };
    const old = oldWay(env, facts);
    // The scripts interleave heads, rules and jumps; `batch` sorts them.
    const sorted = (lines: string[]) => {
      const rank = (line: string) => (line.startsWith(':') ? 0 : line.startsWith('-A WANMARK') ? 1 : 2);
      return lines
        .map((line, i) => ({ line, i }))
        .sort((a, b) => rank(a.line) - rank(b.line) || a.i - b.i)
        .map(({ line }) => line);
    };
    const sections = (lines: string[]) => {
      const all: Record<string, string[]> = {};
      let name = '';
      for (const line of lines) {
        if (line.startsWith('== ')) {
          name = line;
          all[name] = [];
        } else all[name]!.push(line);
      }
      return all;
    };
    const was = sections(old.split('\n').filter(Boolean));
    const is = sections(made);
    assert.deepEqual(Object.keys(is).sort(), Object.keys(was).sort(), `seed ${seed}`);
    const random = randomFrom(seed);
    for (const [name, lines] of Object.entries(was)) {
      const table = name.split(' ')[1]!;
      if (table === 'rules' || table === 'routes') {
        assert.deepEqual(is[name], lines, `seed ${seed} ${name}`);
        continue;
      }
      const chains = [
        ...new Set(
          sorted(lines)
            .filter((l) => l.startsWith(':'))
            .map((l) => l.slice(1).split(' ')[0]!),
        ),
      ];
      const grouped = [
        ...chains.map((chain) => `:${chain} - [0:0]`),
        ...chains.flatMap((chain) => lines.filter((line) => line.startsWith(`-A ${chain} `))),
        ...lines.filter((line) => /^-A [A-Z]+ -m comment --comment wanmark /.test(line)),
      ];
      assert.deepEqual(is[name], grouped, `seed ${seed} ${name}`);
      // up from nothing, down, and a change from the last router of this kind, all of it known or damaged.
      const want = is[name]!;
      const before = last[name] ?? [];
      const damaged = before.filter(() => random() > 0.2);
      for (const [now, asked, wanted] of [
        [[], undefined, want],
        [want, undefined, []],
        [want, want, want],
        [before, before, want],
        [damaged, undefined, want],
        [[...before, ...before.slice(-1)], before, want],
      ] as const) {
        // Lines of a chain without its head cannot be.
        const heads = new Set(now.filter((l) => l.startsWith(':')).map((l) => l.slice(1).split(' ')[0]));
        const valid = now.filter((l) => !l.startsWith('-A WANMARK') || heads.has(l.split(' ')[1]));
        assert.deepEqual(
          tableSteps(table, { have: valid, asked }, wanted),
          oldBatch(table, valid, asked as string[] | undefined, [...wanted]),
          `seed ${seed} ${name} steps`,
        );
      }
      last = { ...last, [name]: want };
    }
    void STAGES;
  }
  console.log(`${SEEDS - refused} compared, ${refused} refused`);
  assert.ok(refused < SEEDS / 5);
});
