import type { Facts } from './facts.js';
import type { StagePlan } from './plan.js';
import type { Scene } from './scene.js';

/**
 * A stage as the machine can have it. Where rules cannot ask for IPsec, those that do are left out; what remains is right
 * for everything else.
 */
export function asMatched(stage: StagePlan, { ipsec }: Pick<Facts, 'ipsec'>): StagePlan {
  if (ipsec === undefined || ipsec === 'matched') return stage;
  const chains = stage.chains.map(({ name, rules }) => ({
    name,
    rules: rules.filter(({ when }) => when.every(({ kind }) => kind !== 'ipsec')),
  }));
  return { ...stage, chains };
}

/** Says what becomes of IPsec where rules cannot ask for it. */
export function tellIpsec({ facts, uplinks, note }: Scene): void {
  if (facts.ipsec !== 'unmatched' || uplinks.length === 0) return;
  note(
    'warning: there are IPsec policies, but rules cannot ask for them, so what they should take is balanced and translated; ' +
      "'modprobe xt_policy' (OpenWrt: install iptables-mod-ipsec), then 'wanmark up' again, or --exclude the networks behind it",
  );
}
