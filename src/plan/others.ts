import type { Family } from '../core/family.js';
import { hex } from '../core/mark.js';
import type { OtherRule } from './facts.js';
import type { IpRule, MarkBits, SetPlan } from './plan.js';
import { numberedPolicies, refusedBits, type Scene, wanBits } from './scene.js';

const OTHER_BITS = 'give it or wanmark other bits (--mask), docs/marks.md says which are free';

/**
 * The ip rules of others. A rule that somebody made leads where it led without us: those that stand behind ours and
 * before main's are copied before ours, in their order. Those before ours are asked first anyhow (`ip rule add` without a
 * priority takes the place before the first rule that is there).
 *
 * A rule that asks for a whole mark (`fwmark 1`, without a mask) has never heard of our field, so its copy leaves the
 * field out; a packet of its mark would not be recognized once we have chosen a WAN for it.
 *
 * @param behind how many priorities of ours stand between the copies and main's
 */
export function followOthers(scene: Scene, behind: number): IpRule[] {
  const copied = others(scene).flatMap(({ copy }) => copy ?? []);
  const first = scene.config.rules.priority - copied.length - behind;
  return copied.map((words, i) => ({ priority: first + i, words }));
}

/**
 * The marks that a rule of others exempts (`not fwmark 51820`: what the tunnel itself sends). A packet with such a mark is
 * left alone, since the rule would take it as soon as our field changes: the tunnel would swallow its own packets.
 */
export function exemptMarks(scene: Scene): SetPlan {
  const elements = others(scene)
    .filter(({ rule, overlaps, collision }) => rule.inverted && overlaps && collision === undefined)
    .map(({ rule: { mark } }) => markWords(mark!));
  return { source: { from: 'exempt-marks', mask: scene.mask }, elements: [...new Set(elements)] };
}

/**
 * The marks that rules of others lead to tables of theirs, or refuse (pbr, Tailscale, wg-quick). What has one before our rules
 * takes no decision, since that would have no effect. Whether a rule with further conditions, or a table without a default route,
 * takes a packet cannot be told beforehand; such a packet is decided, and goes where it is led all the same.
 */
export function ledMarks({
  facts,
  family,
  config,
  mask,
}: Pick<Scene, 'facts' | 'family' | 'config' | 'mask'>): MarkBits[] {
  if (!config.rules.respectMarks) return [];
  const led = askedRules(facts.rules[family], config.rules.priority).flatMap(({ leads, mark }) =>
    leads && mark !== undefined && (mark.value & mark.mask & mask) === 0 ? mark : [],
  );
  const kept = led
    .map((mark) => ({ value: mark.value, mask: (mark.mask & ~mask) >>> 0 }))
    .filter((one) => one.mask !== 0);
  return kept.filter((one, i) => kept.findIndex((other) => isSameMark(other, one)) === i);
}

function isSameMark(a: MarkBits, b: MarkBits): boolean {
  return a.value === b.value && a.mask === b.mask;
}

/** Names what of others cannot be respected, and what leaves us nothing. */
export function tellOthers(scene: Scene): void {
  const { config, note, family } = scene;
  const all = others(scene);
  for (const { rule, stands, isWanted, collision, copy } of all) {
    const which = `ip -${family} rule ${rule.priority} '${textOf(rule, rule.mark)}' of somebody else`;
    if (collision !== undefined) {
      note(`warning: ${which} asks for a mark of ${collision}; ${OTHER_BITS}`);
    } else if (rule.takesAll && (stands === 'before' || copy !== undefined)) {
      const way = stands === 'before' ? `, or use a --priority below ${rule.priority}` : '';
      note(`warning: ${which} takes every connection, so none is balanced; remove it${way}`);
    } else if (isWanted && stands === 'behind' && copy === undefined) {
      const way = `give it a priority below ${config.rules.priority}, or use a --priority above its own`;
      note(
        `warning: ${which} stands behind ours and cannot be copied, so it does not hold for WANs' connections; ${way}`,
      );
    }
  }
  const copied = all.filter(({ rule, copy }) => copy !== undefined && !rule.takesAll);
  if (copied.length > 0) {
    const list = copied.map(({ rule }) => `${rule.priority} '${textOf(rule, rule.mark)}'`).join(', ');
    note(`IPv${family}: ip rules of others hold before ours: ${list}`);
  }
  tellVrf(scene, family);
}

function tellVrf({ facts, config, devices, note }: Scene, family: Family): void {
  const asked = [...devices, ...config.rules.lan].filter((name) => facts.devices.get(name)?.vrf);
  if (asked.length === 0) return;
  note(
    `warning: ${asked.join(', ')}: in a VRF, whose ip rule l3mdev leads every IPv${family} connection by its own table, so ` +
      'none is balanced; take the device out of the VRF',
  );
}

interface Considered {
  readonly rule: OtherRule;
  /** Where it stands, seen from ours. */
  readonly stands: 'before' | 'behind';
  /** Whether it is to hold before ours. */
  readonly isWanted: boolean;
  /** Whether it asks for bits of our field. */
  readonly overlaps: boolean;
  /** Whether it does so without knowing of them, as one without a mask. */
  readonly ignoresUs: boolean;
  /** The WAN or policy whose packets it would take by their mark, with its kind. */
  readonly collision: string | undefined;
  /** The words of its copy before ours; undefined where it needs or can have none. */
  readonly copy: string | undefined;
}

/** The ip rules of others that are asked before main's own. */
function others(scene: Scene): Considered[] {
  if (!scene.isOurs) return [];
  const { facts, family, config, mask } = scene;
  const { priority } = config.rules;
  const rules = facts.rules[family];
  const asked = askedRules(rules, priority);
  // Each copy needs a priority of its own.
  let room = priority - 2;
  return asked.map((rule) => {
    const stands = rule.priority < priority ? 'before' : 'behind';
    const ours = rule.mark === undefined ? 0 : rule.mark.mask & mask;
    const collision = ours === 0 ? undefined : findCollision(scene, rule.mark!);
    const ignoresUs =
      ours !== 0 && collision === undefined && (rule.mark!.value & mask) === 0 && rule.mark!.value !== 0;
    const isWanted = config.rules.respectMarks || rule.mark === undefined || rule.inverted;
    const found = { rule, stands, isWanted, overlaps: ours !== 0, ignoresUs, collision } as const;
    const needed =
      isWanted && collision === undefined && rule.action !== undefined && (stands === 'behind' || ignoresUs);
    if (!needed || room <= 0) return { ...found, copy: undefined };
    room -= 1;
    const kept = ignoresUs ? { value: rule.mark!.value, mask: (rule.mark!.mask & ~mask) >>> 0 } : rule.mark;
    return { ...found, copy: textOf(rule, kept) };
  });
}

/** The rules that are asked before main's own, wherever that stands behind ours. */
function askedRules(rules: readonly OtherRule[], priority: number): readonly OtherRule[] {
  const main = rules.findIndex((rule) => rule.priority >= priority && isMain(rule));
  return main < 0 ? rules : rules.slice(0, main);
}

/** The first WAN or policy with a mark that the bits match; a packet may have any bits outside our field. */
function findCollision(scene: Scene, asked: MarkBits): string | undefined {
  const ours = (asked.mask & scene.mask) >>> 0;
  const hits = ({ value }: MarkBits) => ((value ^ asked.value) & ours) === 0;
  const refused = refusedBits(scene);
  const wan = scene.uplinks.find((one) => hits(wanBits(scene, one.wan.mark)))?.wan.name;
  if (wan !== undefined) return `WAN ${wan}`;
  const policy = numberedPolicies(scene).find(({ bits }) => hits(bits))?.policy.name;
  if (policy !== undefined) return `policy ${policy}`;
  return refused !== undefined && hits(refused) ? 'WAN "none is up"' : undefined;
}

function isForAll({ inverted, mark, before, after }: OtherRule): boolean {
  return !inverted && mark === undefined && after.length === 0 && before.join() === 'from all';
}

/** Main's own rule, wherever it stands: what comes behind it has no say. */
function isMain(rule: OtherRule): boolean {
  return isForAll(rule) && rule.action === 'lookup main';
}

function textOf({ inverted, before, after, action }: OtherRule, mark: MarkBits | undefined): string {
  const asked = mark === undefined ? [] : [`fwmark ${markWords(mark)}`];
  return [...(inverted ? ['not'] : []), ...before, ...asked, ...after, action ?? '...'].join(' ');
}

/** A mark in the words of iptables and `ip rule`. */
export function markWords({ value, mask }: MarkBits): string {
  return `${hex(value)}/${hex(mask)}`;
}
