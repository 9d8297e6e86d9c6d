/**
 * What `up` does on a router where nothing is up yet, word for word, for ten configurations of one router.
 * `WANMARK_GOLDEN=write` writes the texts instead; read the difference before you keep it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { FAMILIES } from '#wanmark/core/family.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { planSteps } from '#wanmark/plan/diff/steps.js';
import { STAGES } from '#wanmark/plan/plan.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROOT } from '../docs/pages.js';
import { CASES, type Case } from './golden-cases.js';
import { ROUTER } from './router.js';

/** The commands of an `up` from nothing, in groups. */
function commands({ raw, states, facts, iptables = 'iptables' }: Case): string {
  const programs = { 4: iptables, 6: 'ip6tables' };
  const plan = buildPlan(parseConfig(raw), { ...ROUTER, ...facts }, { ...NO_STATES, ...states });
  const steps = planSteps({ lists: new Map(), asked: new Map() }, planLists(plan));
  const groups = [
    // A device that does not exist has no settings.
    plan.settings
      .filter(({ device }) => ROUTER.devices.has(device))
      .map(({ device, key, value }) => `echo ${value} > /proc/sys/net/ipv4/conf/${device}/${key}`),
    ...FAMILIES.map((family) => (steps.get(`${family}.add`) ?? []).map((line) => `ip -${family} ${line}`)),
    ...STAGES.flatMap((stage) =>
      FAMILIES.map((family) => {
        const table = tableOf(steps.get(`${family}.tables`) ?? [], stage);
        const restore = `${programs[family]}-restore --wait=10 --noflush <<'EOF'`;
        return table.length === 0 ? [] : [restore, ...table, 'EOF'];
      }),
    ),
  ];
  return groups
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

/** The lines of one table, from its name to its COMMIT. */
function tableOf(lines: readonly string[], stage: string): readonly string[] {
  const first = lines.indexOf(`*${stage}`);
  return first < 0 ? [] : lines.slice(first, lines.indexOf('COMMIT', first) + 1);
}

describe('up, from nothing', () => {
  for (const [name, one] of Object.entries(CASES)) {
    const golden = `${ROOT}test/plan/golden/${name}.txt`;

    test(`${name} is as in golden/${name}.txt`, () => {
      const text = commands(one);
      if (process.env.WANMARK_GOLDEN === 'write') writeFileSync(golden, text);
      assert.equal(text, readFileSync(golden, 'utf8'));
    });

    test(`${name}: every use of a mark has a mask`, () => {
      const text = commands(one);
      const uses = text.match(/(--mark|--set-xmark|fwmark) (! )?\S+/g) ?? [];
      assert.ok(uses.length > 5, text);
      for (const use of uses) assert.match(use, /0x[0-9a-f]+\/0x[0-9a-f]+$/);
      for (const use of text.match(/-j (MARK|CONNMARK) .*/g) ?? []) {
        assert.match(use, /--set-xmark \S+\/0x|--(restore|save)-mark --nfmask (0x[0-9a-f]+) --ctmask \2$/);
      }
    });
  }
});
