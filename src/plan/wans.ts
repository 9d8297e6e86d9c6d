import { askingRules, toDaemon } from './asking.js';
import { countComment, outComment, sharesDevice } from './counted.js';
import { neighbourKey } from './facts.js';
import { farEnds } from './far-ends.js';
import { kernelRules } from './kernel-choice.js';
import { exemptMarks, ledMarks, markWords } from './others.js';
import {
  type Chain,
  type Hook,
  type Match,
  NOTHING,
  type Rule,
  type SetPlan,
  type StagePlan,
} from './plan.js';
import { entranceOf, redirectionChains } from './redirections.js';
import { LEAVE_OWN, ownRules } from './router-own.js';
import {
  comesBy,
  decided,
  EXEMPT,
  hasMark,
  LED,
  leave,
  leavesBy,
  logPrefix,
  NEW,
  NEW_ORIGINAL,
  OUT_OF_IPSEC,
  TO_LOCAL,
  undecided,
} from './rule.js';
import { namedSets } from './rule-sets.js';
import { answeredRules, clearMark, markedRules, TRUTH_HOOKS, truthChains } from './saving.js';
import { askedBits, choosesAlone, type Scene, wanBits } from './scene.js';
import { serviceExceptions } from './services.js';
import { namedSteering, steeringChains, steers, steersOwn } from './steering.js';
import { clientSets } from './stickiness.js';
import { byTranslation, translatedChains, translatedSets } from './translated.js';
import { defaultDevices, type Uplink } from './uplink.js';

/**
 * The mangle stage of the WANs:
 *
 *     PREROUTING  -> WANMARK       restore; in by a WAN: that WAN; new: WANMARK_NEW
 *     OUTPUT      -> WANMARK_OUT   restore; bound to another WAN: leave alone; new: WANMARK_NEW (not with `own: off`)
 *                    WANMARK_NEW   specific routes, local, not unicast: leave alone; to the daemon, or first to the rules
 *                                  that lead to policies (steering.ts), or first to the rules of others (asking.ts)
 *     FORWARD, INPUT -> WANMARK_TRUTH   a new connection that leaves otherwise than was chosen belongs to nobody yet
 *     POSTROUTING -> WANMARK_SAVE  the connection belongs to the WAN it leaves by
 *     POSTROUTING, INPUT -> WANMARK_COUNT   packets and bytes per mark
 *     INPUT -> WANMARK_CLEAR       what has arrived has no mark, so neither has what comes out of a tunnel
 *     FORWARD, INPUT     -> WANMARK_ERRORS  "unreachable" about an unanswered connection: to the daemon
 *
 * Where packets are spread, every packet gets a choice of its own, even answers to inbound packets, and nothing is
 * saved. A connection keeps to a WAN only if it came in by that WAN for an address of the router's own, or had a mark
 * already when packets began to be spread.
 *
 * PREROUTING and OUTPUT have chains of their own because iptables refuses a match on the MAC address in a chain that OUTPUT
 * reaches, and because there is no match for "came in by any LAN device".
 */
export function wanMangle(scene: Scene): StagePlan {
  if (!scene.isOurs) return NOTHING;
  const { config, spreads, uplinks } = scene;
  const byKernel = choosesAlone(scene);
  const isNew = spreads ? [] : [NEW_ORIGINAL];
  const steered = steers(scene);
  const leadsOwn = config.rules.own || steersOwn(scene);
  const to = (chain: string): Rule[] => [{ when: isNew, action: { kind: 'goto', chain } }];
  // What no rule is for is left alone in a family that no WAN carries.
  const asking = uplinks.length === 0 ? [] : askingRules(scene);
  const errors = spreads || byKernel ? NOTHING : errorStage(scene);
  // The rule by device comes first: a far end that spreads packets, too, may answer by any WAN, and strict rp_filter
  // looks up the way back with the packet's mark.
  const known = [
    { when: [decided(scene.mask)], action: { kind: 'jump', chain: 'WANMARK_MARKED' } } as const,
    ...(spreads ? [leave(decided(scene.mask))] : restoreRules(scene)),
    // A connection from behind a policy is none of the WAN that carried it. Where IPsec ends at a device of its own, it is
    // that device's.
    leave({ kind: 'in-in', set: 'carriers' }, OUT_OF_IPSEC),
  ];
  const entrance = [...known, ...inboundRules(scene), ...(spreads ? restoreRules(scene) : [])];
  const chains: Chain[] = [
    { name: 'WANMARK', rules: [...entrance, ...toNew(scene, isNew)] },
    { name: 'WANMARK_MARKED', rules: markedRules(scene) },
    ...translatedChains(scene),
    ...redirectionChains(scene),
    {
      name: 'WANMARK_OUT',
      rules: [
        EXEMPT,
        ...ownRules(scene),
        ...(leadsOwn ? [] : [LEAVE_OWN]),
        ...ownMarkRules(scene),
        ...restoreRules(scene),
        ...(leadsOwn ? [...boundRules(), ...to(steered ? 'WANMARK_OUTNEW' : 'WANMARK_NEW')] : []),
      ],
    },
    {
      name: 'WANMARK_NEW',
      rules: [...leftAlone(scene, namedSteering(scene, false)), ...(steered ? to('WANMARK_POLICY') : asking)],
    },
    ...(steered && leadsOwn
      ? [
          {
            name: 'WANMARK_OUTNEW',
            rules: [...leftAlone(scene, namedSteering(scene, true)), ...to('WANMARK_OWN')],
          },
        ]
      : []),
    ...steeringChains(scene, asking),
    ...(spreads ? [] : truthChains(scene)),
    // The packet that comes out of a tunnel keeps the mark of the one that it came in, and would be taken for decided.
    { name: 'WANMARK_CLEAR', rules: [{ when: [], action: clearMark(scene) }] },
    { name: 'WANMARK_COUNT', rules: scene.uplinks.flatMap((one) => countRules(scene, one)) },
    ...(byKernel && uplinks.length > 0 ? [{ name: 'WANMARK_KERNEL', rules: kernelRules(scene) }] : []),
    ...errors.chains,
  ];
  const hooks: Hook[] = [
    // They come first, so that a change of the engine leaves the order of the others as it is.
    ...errors.hooks,
    { base: 'PREROUTING', chain: 'WANMARK' },
    ...(spreads ? [] : TRUTH_HOOKS),
    { base: 'INPUT', chain: 'WANMARK_COUNT' },
    { base: 'INPUT', chain: 'WANMARK_CLEAR' },
    { base: 'OUTPUT', chain: 'WANMARK_OUT' },
    ...(spreads ? [] : [{ base: 'POSTROUTING', chain: 'WANMARK_SAVE' } as const]),
    { base: 'POSTROUTING', chain: 'WANMARK_COUNT' },
  ];
  return { chains, hooks };
}

/**
 * Restores the mark in any state, because a UDP flow without replies stays NEW for ever. The second rule also ends the
 * second pass after the verdict NF_REPEAT. What lost its number is recognized by its translation.
 */
function restoreRules(scene: Scene): Rule[] {
  const { mask } = scene;
  const unanswered = { kind: 'connmark', bits: askedBits(scene), not: true } as const;
  return [
    { when: [undecided(mask), unanswered], action: { kind: 'restore', mask } },
    leave(decided(mask)),
    ...byTranslation(scene),
  ];
}

/**
 * What becomes of the mark that a packet of the router itself has already: the answer of the daemon, the wish of a
 * program (SO_MARK), or what a tunnel's packet has from the one inside. A connection's own mark is worth more.
 */
function ownMarkRules(scene: Scene): Rule[] {
  if (scene.spreads) return [];
  const { mask } = scene;
  const marked = { kind: 'connmark', bits: { value: 0, mask }, not: true } as const;
  return [
    ...answeredRules(scene),
    {
      when: [decided(mask), marked, { kind: 'connmark', bits: askedBits(scene), not: true }],
      action: { kind: 'restore', mask },
    },
  ];
}

/**
 * A connection that came in by a WAN is answered by it, so it gets the WAN's mark. The packet gets the mark, too: with
 * src_valid_mark, strict rp_filter looks up the way back with it.
 */
function inboundRules(scene: Scene): Rule[] {
  return [
    ...scene.uplinks.flatMap((uplink) => inboundRulesOf(scene, uplink)),
    ...scene.devices.map((device) => leave(comesBy(device))),
  ];
}

function inboundRulesOf(scene: Scene, uplink: Uplink): Rule[] {
  const from = [comesBy(uplink.wan.dev), ...(uplink.shared ? [byGateway(uplink)] : [])];
  const bits = wanBits(scene, uplink.wan.mark);
  return [
    { when: [...from, ...(scene.spreads ? [] : [NEW])], action: { kind: 'set-mark', bits } },
    { when: [...from, NEW, ...(scene.spreads ? [TO_LOCAL] : [])], action: { kind: 'set-connmark', bits } },
  ];
}

/** Matches packets of a WAN on a shared device by the gateway's MAC address. */
function byGateway({ wan }: Uplink): Match {
  return { kind: 'mac-in', set: macSet(wan.name) };
}

function macSet(wan: string): string {
  return `mac of ${wan}`;
}

/** Leads on to what is not known yet, only from the LAN devices where these are given. */
export function toNew(scene: Scene, when: readonly Match[] = []): Rule[] {
  const { config } = scene;
  const chain = entranceOf(scene);
  const from = config.rules.lan.length === 0 ? [[]] : config.rules.lan.map((device) => [comesBy(device)]);
  return from.map((lan) => ({ when: [...lan, ...when], action: { kind: 'goto', chain } }));
}

/**
 * A packet of the router that leaves by a WAN which is not the main table's default was bound to that WAN, or routed
 * there on purpose. One bound to the default's own WAN cannot be told from others.
 */
function boundRules(): Rule[] {
  return [leave({ kind: 'out-in', set: 'bound' })];
}

/**
 * The packets that are not balanced. The type of an address comes from the local table alone, for IPv4 (inet_addr_type)
 * as for IPv6 (match_lookup_rt6, RTF_LOCAL), whatever the ip rules for marks say. Packets that are not unicast are left
 * alone because the kernel drops clones of an undecided connection.
 * @param named rules for networks that the main table knows
 */
export function leftAlone(scene: Scene, named: readonly Rule[] = []): Rule[] {
  const specific = leave({ kind: 'destination-in', set: 'specific' });
  const never = [leave(TO_LOCAL), leave({ kind: 'destination-type', type: 'unicast', not: true })];
  const known = named.length === 0 ? [specific, ...never] : [...never, ...named, specific];
  return [...serviceExceptions(scene), LED, ...known];
}

/**
 * Counts a WAN's packets in both directions together. A device tells how much went in each direction by WANs that have it
 * alone, at no cost for a packet; those on a shared one need another rule.
 */
function countRules(scene: Scene, { wan }: Uplink): Rule[] {
  const mark = hasMark(wanBits(scene, wan.mark).value, scene.mask);
  const count: Rule[] = [{ when: [mark], comment: countComment(wan) }];
  if (sharesDevice(wan, scene.config.wans))
    count.unshift({ when: [leavesBy(wan.dev), mark], comment: outComment(wan) });
  if (!scene.config.rules.logKernel) return count;
  const prefix = logPrefix(wan.name, `mark=${wan.mark}`);
  return [...count, { when: [mark, NEW], action: { kind: 'log', prefix } }];
}

/**
 * Shows the daemon what a gateway says that knows no way, before a client hears of it: it may send the connection by
 * another WAN instead. The kernel has translated the quoted packet back by then (nf_nat_icmp_reply_translation), and
 * WANMARK has given the error the mark of its connection.
 *
 * Only the connection's own WAN may say so. The device tells an error of a gateway from one of a host of the LAN, which
 * is about a connection that came in.
 */
function errorStage(scene: Scene): StagePlan {
  const icmp = { kind: 'icmp', family: scene.family } as const;
  return {
    chains: [
      {
        name: 'WANMARK_ERRORS',
        rules: (['net-unreachable', 'host-unreachable'] as const).map((error) => ({
          when: [
            { ...icmp, error },
            { kind: 'state', state: 'related', unanswered: true },
          ],
          action: { kind: 'goto', chain: 'WANMARK_UNREACHABLE' },
        })),
      },
      {
        name: 'WANMARK_UNREACHABLE',
        rules: scene.uplinks.map(({ wan }) => ({
          when: [comesBy(wan.dev), hasMark(wanBits(scene, wan.mark).value, scene.mask)],
          action: toDaemon(scene),
        })),
      },
    ],
    // The protocol comes first, so that all other packets cost one comparison.
    hooks: (['FORWARD', 'INPUT'] as const).map((base) => ({ base, chain: 'WANMARK_ERRORS', when: [icmp] })),
  };
}

/** The sets that the WANs' rules use. */
export function wanSets(scene: Scene): [string, SetPlan][] {
  const { config, devices, facts, family, isOurs } = scene;
  if (!isOurs) return [];
  const defaults = defaultDevices(facts.main[family]);
  if (config.rules.own) noteEqualDefaults(scene, defaults);
  return [
    ['exempt', exemptMarks(scene)],
    ['far ends', farEnds(scene)],
    ['led', { source: { from: 'led-marks', mask: scene.mask }, elements: ledMarks(scene).map(markWords) }],
    [
      'bound',
      {
        source: { from: 'other-than-default', devices },
        elements: devices.filter((device) => !defaults.has(device)),
      },
    ],
    [
      'carriers',
      {
        source: { from: 'carriers', devices },
        elements: devices.filter((device) => !facts.devices.get(device)?.ipsec),
      },
    ],
    ...translatedSets(scene),
    ...macSets(scene),
    ...namedSets(scene),
    ...clientSets(scene),
  ];
}

/** Says that a program's bound sockets cannot be told from others on several devices. */
function noteEqualDefaults({ devices, family, note }: Scene, defaults: ReadonlySet<string>): void {
  const equal = devices.filter((device) => defaults.has(device));
  if (equal.length < 2) return;
  const remedy =
    family === 6
      ? `for those from router advertisements: sysctl -w net.ipv6.conf.${equal[1]}.ra_defrtr_metric=2048`
      : 'in the settings of the DHCP client';
  note(
    `the main table's IPv${family} default routes by ${equal.join(' and ')} have the same metric, so a program that ` +
      `binds to an address of theirs is balanced all the same; give each a metric of its own, ${remedy}`,
  );
}

/** A set for each WAN on a shared device; empty where the gateway's address is unknown, or also another WAN's. */
function macSets({ uplinks, facts, note }: Scene): [string, SetPlan][] {
  const seen = new Set<string>();
  return uplinks
    .filter(({ shared, via }) => shared && via !== 'dev')
    .map(({ wan: { name, dev }, via }) => {
      const mac = facts.macs.get(neighbourKey(dev, via));
      const twin = mac !== undefined && seen.has(neighbourKey(dev, mac));
      if (mac === undefined) {
        note(
          `WAN ${name}: the MAC address of its gateway ${via} is not known, so inbound connections cannot be told ` +
            "apart; 'refresh' tries again",
        );
      } else if (twin) {
        note(
          `WAN ${name}: its gateway has the MAC address of another WAN's on ${dev}; inbound connections count as ` +
            "the other's",
        );
      } else seen.add(neighbourKey(dev, mac));
      const elements = mac === undefined || twin ? [] : [mac];
      return [macSet(name), { source: { from: 'neighbour', device: dev, address: via }, elements }];
    });
}
