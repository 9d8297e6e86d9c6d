import { kernelRules } from './kernel-choice.js';
import type { Chain, Match, Rule, StagePlan } from './plan.js';
import { choiceChain, policyChoice } from './policies.js';
import { redirectionChains } from './redirections.js';
import { comesBy, connection, decided, hasMark, INTO_IPSEC, leave, leavesBy } from './rule.js';
import { askedBits, numberedPolicies, type Scene, wanBits } from './scene.js';
import { serviceNat, serviceSnat } from './services.js';
import { steers } from './steering.js';
import type { Uplink } from './uplink.js';
import { leftAlone, toNew } from './wans.js';

/**
 * The nat stage: the kernel's own choice, the services' servers, and the source address.
 *
 *     PREROUTING  -> WANMARK -> WANMARK_NEW -> WANMARK_KERNEL   a new connection that nobody chose for
 *     PREROUTING  -> WANMARK -> WANMARK_POLICY -> WANMARK_BY_<policy>   one that mangle led to a policy
 *     POSTROUTING -> WANMARK_NAT                                masquerade, SNAT or NETMAP per WAN
 *
 * The kernel's choice stands here and not in front of the queue in mangle: in OUTPUT a packet that was queued is routed
 * again only if its mark changed while it was queued. Only the first packet of a connection comes to nat. With the engine
 * `kernel`, mangle chooses.
 */
export function natStage(scene: Scene): StagePlan {
  const { config, uplinks, services } = scene;
  const chooses = config.rules.engine === 'nfqueue' && uplinks.length > 0;
  const snat = serviceSnat(scene);
  const translation: Chain = {
    name: 'WANMARK_NAT',
    rules: [
      ...snat.entrance,
      ...(uplinks.length === 0
        ? []
        : [leave(INTO_IPSEC), leave({ kind: 'destination-in', set: 'excluded' })]),
      ...uplinks.flatMap((uplink) => wanNat(scene, uplink)),
      ...unmarkedOnShared(scene).flatMap((uplink) => natRules(uplink, [])),
    ],
  };
  const balanced = serviceNat(scene);
  return {
    chains: [
      ...(chooses ? undecidedChains(scene) : []),
      translation,
      ...(services.length > 0 ? balanced.chains : []),
      ...snat.chains,
    ],
    hooks: [
      ...(chooses ? [{ base: 'PREROUTING', chain: 'WANMARK' } as const] : []),
      { base: 'POSTROUTING', chain: 'WANMARK_NAT' },
      ...balanced.hooks,
    ],
  };
}

function undecidedChains(scene: Scene): Chain[] {
  return [
    {
      name: 'WANMARK',
      rules: [
        steers(scene)
          ? { when: [decided(scene.mask)], action: { kind: 'goto', chain: 'WANMARK_POLICY' } }
          : leave(decided(scene.mask)),
        ...(scene.spreads ? [] : [leave({ kind: 'connmark', bits: askedBits(scene), not: true })]),
        ...scene.devices.map((device) => leave(comesBy(device))),
        ...toNew(scene),
      ],
    },
    ...redirectionChains(scene),
    {
      name: 'WANMARK_NEW',
      rules: [...leftAlone(scene), { when: [], action: { kind: 'goto', chain: 'WANMARK_KERNEL' } }],
    },
    { name: 'WANMARK_KERNEL', rules: kernelRules(scene) },
    ...(steers(scene) ? policyChains(scene) : []),
  ];
}

/** The choice for what mangle led to a policy and nobody chose for. */
function policyChains(scene: Scene): Chain[] {
  const policies = numberedPolicies(scene);
  return [
    {
      name: 'WANMARK_POLICY',
      rules: [
        leave({ kind: 'connmark', bits: askedBits(scene), not: true }),
        ...policies.map(
          ({ policy, bits }): Rule => ({
            when: [hasMark(bits.value, bits.mask)],
            action: { kind: 'goto', chain: choiceChain(policy) },
          }),
        ),
      ],
    },
    ...policies.map(({ policy, bits }) => ({
      name: choiceChain(policy),
      rules: policyChoice(scene, policy, bits.value),
    })),
  ];
}

/**
 * Rules for the source address of one WAN. On a shared device only a mark tells which WAN's address it has to be: the
 * connection's, since anybody may have changed the packet's own by then.
 */
function wanNat(scene: Scene, uplink: Uplink): Rule[] {
  const { value, mask } = wanBits(scene, uplink.wan.mark);
  return natRules(
    uplink,
    uplink.shared ? [scene.spreads ? hasMark(value, mask) : connection(value, mask)] : [],
  );
}

/** The first WAN of each shared device; packets without a mark are translated as for that WAN. */
function unmarkedOnShared({ uplinks }: Scene): Uplink[] {
  return uplinks.filter(
    ({ shared, wan }, i) => shared && uplinks.findIndex((other) => other.wan.dev === wan.dev) === i,
  );
}

/**
 * NETMAP keeps the host part of the address (NPTv6 in its use, RFC 6296). That fits forwarded packets; the router's own
 * connections have no address in that prefix.
 */
function natRules({ wan, nat, shared }: Uplink, marked: readonly Match[]): Rule[] {
  const when = [leavesBy(wan.dev), ...marked];
  if (nat === 'masquerade') return [{ when, action: { kind: 'masquerade' } }];
  if (nat === 'none') return shared ? [leave(...when)] : [];
  if (!nat.includes('/')) return [{ when, action: { kind: 'snat', address: nat } }];
  return [
    { when: [...when, { kind: 'source-type', type: 'local' }], action: { kind: 'masquerade' } },
    { when, action: { kind: 'netmap', prefix: nat } },
  ];
}
