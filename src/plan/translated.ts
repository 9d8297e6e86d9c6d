import type { Chain, Match, Rule, SetPlan } from './plan.js';
import { decided, leave } from './rule.js';
import { type Scene, wanBits } from './scene.js';
import type { Uplink } from './uplink.js';

/**
 * A connection that was translated to an address of a WAN belongs to that WAN: by another one its packets are dropped
 * (MASQUERADE ends it) or are answered to an address that does not belong there. So a connection that has no number of ours
 * has one all the same. Somebody may write whole connection marks in front of our rules (`CONNMARK --save-mark`, nft's `ct
 * mark set meta mark`), where no rule of ours sees the packet first, or behind the last of them.
 *
 * POSTROUTING gives the connection its number again, by the device that the packet really leaves by.
 */
const CHAIN = 'WANMARK_TRANSLATED';

const TRANSLATED: Match = { kind: 'state', state: 'snat' };

/** The rules for a packet without a number, where its connection has none either. */
export function byTranslation(scene: Scene): Rule[] {
  if (translatedRules(scene).length === 0) return [];
  return [{ when: [TRANSLATED], action: { kind: 'jump', chain: CHAIN } }, leave(decided(scene.mask))];
}

/** The chain that finds the WAN. */
export function translatedChains(scene: Scene): Chain[] {
  const rules = translatedRules(scene);
  return rules.length === 0 ? [] : [{ name: CHAIN, rules }];
}

/** Where packets are spread, no connection belongs to a WAN. */
function translatedRules(scene: Scene): Rule[] {
  return scene.spreads ? [] : scene.uplinks.flatMap((uplink) => rulesOf(scene, uplink));
}

function rulesOf(scene: Scene, { wan, nat, shared }: Uplink): Rule[] {
  const action = { kind: 'set-mark', bits: wanBits(scene, wan.mark) } as const;
  const isFixed = nat !== 'masquerade' && nat !== 'none';
  const isItsOwn = scene.uplinks.every((other) => other.wan === wan || other.nat !== nat);
  return [
    // Whose an address of a device with several WANs is, nothing tells.
    ...(shared ? [] : [{ when: [{ kind: 'translated-in', set: setOf(wan.name) }], action } as const]),
    ...(isFixed && isItsOwn ? [{ when: [{ kind: 'translated', network: nat }], action } as const] : []),
  ];
}

function setOf(wan: string): string {
  return `own of ${wan}`;
}

/** The addresses of the WANs, without those that several of them have. */
export function translatedSets(scene: Scene): [string, SetPlan][] {
  const { uplinks, spreads, facts, family } = scene;
  if (spreads) return [];
  const all = facts.addresses[family].map(({ dev, address }) => ({
    dev,
    address: address.split('/', 1)[0]!,
  }));
  const isItsOwn = (address: string) => all.filter((one) => one.address === address).length === 1;
  return uplinks
    .filter(({ shared }) => !shared)
    .map(({ wan }) => [
      setOf(wan.name),
      {
        source: { from: 'device', device: wan.dev },
        elements: all
          .filter(({ dev, address }) => dev === wan.dev && isItsOwn(address))
          .map(({ address }) => address),
      },
    ]);
}
