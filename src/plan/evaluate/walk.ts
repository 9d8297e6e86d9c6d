import type { Choice, FamilyPlan, Share } from '../plan.js';
import { Chains, type Deciders, type Step, type Translation } from './chains.js';
import type { AskedRule } from './ip-rules.js';
import type { Packet, Surroundings } from './packet.js';
import { type Found, findRoute, type Route } from './route.js';
import { wrongWayBack } from './way-back.js';

/** The way of a packet through the rules, the tables, and out of the machine. */
export interface Walk {
  /** The packet, with the source that it got. */
  readonly packet: Packet;
  /** The rules that it met before its route was looked up, in their order. */
  readonly steps: readonly Step[];
  /** The rules of which nobody can tell whether it meets them; they were passed by. */
  readonly unsure: readonly Step[];
  readonly unsureRules: readonly AskedRule[];
  readonly wasAsked: boolean;
  /** The whole mark with which its route was looked up, and the connection's when it leaves. */
  readonly mark: number;
  readonly connmark: number;
  readonly route: Route;
  readonly translation: Translation | undefined;
}

/** Where a packet may come to: by one draw of the kernel's, or without any. */
export interface Outcome {
  readonly walk: Walk;
  /** What was drawn, and from what. */
  readonly drawn: { readonly share: Share; readonly choice: Choice } | undefined;
}

/**
 * All outcomes that a packet may have.
 * @param answer what the daemon says; see {@link Deciders.answer}
 */
export function outcomes(
  plan: FamilyPlan,
  packet: Packet,
  around: Surroundings,
  answer: Deciders['answer'],
): Outcome[] {
  const first = drawing(plan, packet, around, answer, 0);
  const others = first.drawn?.choice.shares.slice(1) ?? [];
  return [first, ...others.map((_, i) => drawing(plan, packet, around, answer, i + 1))];
}

/** The outcome where the kernel draws the share at a place. */
function drawing(
  plan: FamilyPlan,
  packet: Packet,
  around: Surroundings,
  answer: Deciders['answer'],
  at: number,
): Outcome {
  let drawn: Outcome['drawn'];
  const draw = (choice: Choice) => {
    const share = choice.shares[at] ?? choice.shares[0]!;
    drawn ??= { share, choice };
    return share;
  };
  const walk = walkOf(plan, packet, around, { answer, draw });
  return { walk, drawn };
}

/** The source of a packet that has none yet. */
export const NO_ADDRESS = { 4: '0.0.0.0', 6: '::' } as const;

/** Follows a packet in the order of the kernel's hooks. */
export function walkOf(plan: FamilyPlan, given: Packet, around: Surroundings, deciders: Deciders): Walk {
  const packet = given.isUnbound ? withSource(plan, given, around) : given;
  const chains = new Chains(plan, packet, around, deciders);
  const unsureRules: AskedRule[] = [];
  const look = (src = packet.src): Found => {
    const { mark, dst } = chains.passing;
    const { route, unsure } = findRoute(plan, { packet, src, dst, mark }, around);
    unsureRules.push(...unsure.filter((rule) => unsureRules.every(({ text }) => text !== rule.text)));
    return route;
  };
  let route: Route;
  if (packet.in === undefined) {
    route = look(packet.isUnbound ? NO_ADDRESS[packet.family] : packet.src);
    chains.leaveBy(deviceOf(route));
    // What the kernel refuses here never becomes a packet.
    if (isLost(route)) return finish(chains, route, unsureRules);
    chains.run('mangle', 'OUTPUT');
    // The route is looked up again where the mark has changed (ip_route_me_harder), but not where a queue had no listener.
    if (chains.passing.mark !== packet.mark && (!chains.wasAsked || chains.wasAnswered)) {
      route = look();
      chains.leaveBy(deviceOf(route));
    }
    chains.run('nat', 'OUTPUT');
    // A service's server may be elsewhere (nf_nat_ipv4_local_fn).
    if (chains.passing.isTranslated) {
      route = look();
      chains.leaveBy(deviceOf(route));
    }
  } else {
    chains.run('mangle', 'PREROUTING');
    chains.run('nat', 'PREROUTING');
    const found = look();
    const back = wrongWayBack(plan, chains.passing, found, around);
    route = back === undefined ? found : { kind: 'filtered', back };
    chains.leaveBy(deviceOf(route));
  }
  return finish(chains, route, unsureRules);
}

/** The packet with the source that the kernel gives it: the one of its first route, or else an address of the device; to itself, the one that it goes to. */
function withSource(plan: FamilyPlan, packet: Packet, around: Surroundings): Packet {
  const { dst, mark, family } = packet;
  const { route } = findRoute(plan, { packet, src: NO_ADDRESS[family], dst, mark }, around);
  if (route.kind === 'local') return { ...packet, src: dst };
  if (route.kind !== 'way') return packet;
  const all = around.facts.addresses[family].filter(({ dev }) => dev === route.dev);
  const ofDevice = all.find(({ isDeprecated }) => !isDeprecated) ?? all[0];
  const src = route.source ?? ofDevice?.address.split('/', 1)[0];
  return src === undefined ? packet : { ...packet, src };
}

function finish(chains: Chains, route: Route, unsureRules: readonly AskedRule[]): Walk {
  const steps = [...chains.steps];
  const { mark, packet } = chains.passing;
  if (route.kind === 'local') {
    chains.run('mangle', 'INPUT');
  } else if (!isLost(route)) {
    if (packet.in !== undefined) chains.run('mangle', 'FORWARD');
    chains.run('mangle', 'POSTROUTING');
    chains.run('nat', 'POSTROUTING');
  }
  const { unsure, wasAsked, translation } = chains;
  return {
    packet,
    steps,
    unsure,
    unsureRules,
    wasAsked,
    mark,
    connmark: chains.passing.connmark,
    route,
    translation,
  };
}

function deviceOf(route: Route): string | undefined {
  if (route.kind === 'local') return 'lo';
  return route.kind === 'way' ? route.dev : undefined;
}

function isLost({ kind }: Route): boolean {
  return kind === 'refused' || kind === 'none' || kind === 'filtered';
}
