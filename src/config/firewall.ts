import type { RawConfig } from './options.js';
import { readList } from './raw.js';

/** Who is to carry out the rules: iptables, nft alone, or whichever of them fits the machine. */
export const FIREWALLS = ['iptables', 'nft', 'auto'] as const;
/** What `--backend` may say. */
export type FirewallChoice = (typeof FIREWALLS)[number];

/**
 * The options with `--backend nft` as `--firewall nft`: a server of a service has commas, so one of these words alone means
 * the firewall.
 */
export function withFirewall(raw: RawConfig): RawConfig {
  const all = readList(raw, 'backend');
  const words = all.filter(isFirewall);
  if (words.length === 0) return raw;
  const { backend: _, firewall = [], ...others } = raw;
  const servers = all.filter((one) => !isFirewall(one));
  const given = [...readList({ firewall }, 'firewall'), ...words];
  return {
    ...others,
    ...(servers.length > 0 && { backend: servers }),
    // Several are refused where the option is read.
    firewall: new Set(given).size === 1 ? given[0] : given,
  };
}

function isFirewall(value: unknown): value is FirewallChoice {
  return FIREWALLS.some((one) => one === value);
}
