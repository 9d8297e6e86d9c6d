import type { PlanConfig } from '../../config/config.js';
import { DEFAULT_POLICY, DIRECT } from '../../config/policy.js';
import { ruleText } from '../../config/rule.js';
import type { Family } from '../../core/family.js';
import { hex } from '../../core/mark.js';
import { protocolName } from '../../core/protocol.js';
import { carries } from '../../core/wan.js';
import { buildPlan } from '../build.js';
import { type Step, withBits } from '../evaluate/chains.js';
import type { Packet, Surroundings } from '../evaluate/packet.js';
import type { Found } from '../evaluate/route.js';
import { type Outcome, outcomes, type Walk } from '../evaluate/walk.js';
import type { Action, Plan } from '../plan.js';
import { makeScene } from '../scene.js';
import type { PlanStates } from '../states.js';
import type { Explanation, PolicyShown, WayShown } from './explanation.js';
import { whyLeftAlone } from './left-alone.js';
import { keeperOf, type Reasons, type Standing, standings } from './members.js';
import { strategyAnswer } from './strategy.js';
import { redirectedLines, ruleNumber, unsureLines } from './unsure.js';

/** What is known of the WANs' states, and who would choose. */
export interface Situation {
  readonly states: PlanStates;
  readonly reasons: Reasons;
  /** The strategy of `default` of the daemon that runs; undefined where none does. */
  readonly strategy: string | undefined;
}

/** Says where a new connection would go, and why, by following its first packet through the plan. Pure. */
export function explain(
  config: PlanConfig,
  packet: Packet,
  found: Surroundings,
  situation: Situation,
): Explanation {
  const { families, settings } = buildPlan(config, found.facts, situation.states);
  const plan = families[packet.family];
  const around = withSettings(found, settings);
  const silent = outcomes(plan, packet, around, () => undefined);
  const { walk, drawn } = silent[0]!;
  const number = walk.steps.map(ruleNumber).findLast((one) => one !== undefined);
  const rule = number === undefined ? undefined : config.policies.rules[number - 1];
  const { mask } = config.fields.wans;
  const isAsked = walk.steps.some(({ rule: { action } }) => asks(action, config));
  // Services draw their servers in a field of their own.
  const isDrawn = drawn?.choice.mask === mask;
  // What is the router's own is not routed again where a queue has no listener (nat.ts).
  const isUnheard = packet.in === undefined && isAsked && !isDrawn && situation.strategy === undefined;
  const isChosen = isAsked || isDrawn || rule !== undefined || walk.steps.some(choosesInMangle);
  const name =
    !isChosen || isUnheard || rule?.policy === DIRECT ? undefined : (rule?.policy ?? DEFAULT_POLICY);
  const scene = makeScene(config, around.facts, situation.states, packet.family, () => {});
  const policies = name === undefined ? [] : standings(scene, name, situation.reasons);
  const last = policies.at(-1);
  const keeper = last && keeperOf(scene, last, walk.packet.src, around.inIpset);
  const takers = keeper === undefined ? (last?.members.filter(({ why }) => why === null) ?? []) : [keeper];
  const isDaemons = isAsked && situation.strategy !== undefined && takers.length > 0;
  const strategy = isDaemons
    ? strategyAnswer(last?.strategy ?? situation.strategy!, walk.packet, takers.map(toCandidate))
    : null;
  const answered = isDaemons
    ? takers
        .filter(({ wan }) => strategy?.wan == null || wan === strategy.wan)
        .map(({ value, share }): [Outcome, number] => {
          const answer = (mark: number, queue: number) =>
            queue === config.queues.num ? withBits(mark, { value, mask }) : undefined;
          return [outcomes(plan, packet, around, answer)[0]!, strategy?.wan == null ? share : 1];
        })
    : undefined;
  const shown = (all: readonly (readonly [Outcome, number])[]) =>
    all.map(([one, share]) => wayOf(one.walk, share, config));
  const withoutDaemon = shown(silent.map((one) => [one, shareOf(one)]));
  return {
    packet: {
      family: packet.family,
      proto: protocolName(packet.proto),
      src: walk.packet.src,
      sport: packet.sport ?? null,
      dst: packet.dst,
      dport: packet.dport ?? null,
      in: packet.in ?? null,
    },
    left: isUnheard ? UNHEARD : leftText(walk, packet, config, name !== undefined, rule?.policy === DIRECT),
    rule: rule === undefined ? null : { number: number!, text: ruleText(rule) },
    policies: policies.map(toShown),
    decides: name === undefined ? 'nobody' : isDaemons ? 'daemon' : 'kernel',
    strategy,
    keeps: keeper?.wan ?? null,
    ways: answered === undefined ? withoutDaemon : shown(answered),
    withoutDaemon,
    unsure: [...unsureLines(walk.unsure, walk.unsureRules, config), ...redirectedLines(walk.steps)],
  };
}

/** The surroundings with the settings that the plan makes. */
function withSettings(found: Surroundings, settings: Plan['settings']): Surroundings {
  const { sourceCheck } = found;
  if (sourceCheck === undefined) return found;
  const isSet = (device: string) =>
    settings.some((one) => one.device === device && one.key === 'src_valid_mark');
  const planned = (device: string) => {
    const check = sourceCheck(device);
    return { ...check, byMark: check.byMark || isSet(device) };
  };
  return { ...found, sourceCheck: planned };
}

const UNHEARD =
  "no daemon answers, and without one this router's own connections that no rule leads go by the main table";

function leftText(
  walk: Walk,
  packet: Packet,
  config: PlanConfig,
  isChosen: boolean,
  isDirect: boolean,
): string | null {
  if (isChosen) return null;
  return isDirect ? 'its policy leaves it to the main table' : whyLeftAlone(walk.steps, packet, config);
}

/** Whether the daemon is asked for a WAN, and not for a server. */
function asks(action: Action | undefined, { queues }: PlanConfig): boolean {
  return action?.kind === 'queue' && action.first === queues.num;
}

/** Whether a step leads to the kernel's own choice where mangle makes it. */
function choosesInMangle({ stage, rule: { action } }: Step): boolean {
  return stage === 'mangle' && action?.kind === 'goto' && action.chain === 'WANMARK_KERNEL';
}

function toCandidate({ wan, mark, weight, tier }: Standing['members'][number]) {
  return { name: wan, mark, weight, tier };
}

function toShown({ name, members, none }: Standing): PolicyShown {
  return {
    name,
    members: members.map(({ wan, weight, tier, share, why }) => ({ wan, weight, tier, share, why })),
    none,
  };
}

function shareOf({ drawn }: Outcome): number {
  if (drawn === undefined) return 1;
  return drawn.share.weight / drawn.choice.shares.reduce((sum, { weight }) => sum + weight, 0);
}

function wayOf({ packet, route, mark, translation }: Walk, share: number, config: PlanConfig): WayShown {
  const common = { share, mark: hex(mark), nat: natText(translation) };
  if (route.kind !== 'filtered') return { ...common, ...lookedUp(route, packet.family, config) };
  return { ...common, ...lookedUp(route.back, packet.family, config), fate: 'filtered' };
}

function lookedUp(
  route: Found,
  family: Family,
  config: PlanConfig,
): Omit<WayShown, 'share' | 'mark' | 'nat'> {
  const nowhere = { wan: null, rule: null, table: null, dev: null, via: null };
  if (route.kind === 'local' || route.kind === 'none') return { ...nowhere, fate: route.kind };
  const { priority, text, isOurs } = route.rule;
  const rule = { priority, text, ours: isOurs };
  if (route.kind === 'refused') return { ...nowhere, fate: route.how as WayShown['fate'], rule };
  const { dev, table } = route;
  const via = route.via ?? null;
  return { fate: 'leaves', wan: wanOf(dev, table, via, family, config), rule, table, dev, via };
}

/** The WAN of a table of ours, or the one whose device and gateway a route has. */
function wanOf(
  dev: string,
  table: string,
  via: string | null,
  family: Family,
  { wans, rules }: PlanConfig,
): string | null {
  const byTable = wans.find(({ mark }) => String(rules.table + mark) === table);
  // Each family of a device may be a WAN of its own.
  const those = wans.filter((wan) => wan.dev === dev && carries(wan, family));
  const byDevice = those.length === 1 ? those[0] : those.find((wan) => wan.via === via || wan.via6 === via);
  return (byTable ?? byDevice)?.name ?? null;
}

function natText(translation: Walk['translation']): string | null {
  if (translation === undefined) return null;
  if (translation.kind === 'masquerade') return 'masquerade';
  return translation.kind === 'snat' ? translation.address : translation.prefix;
}
