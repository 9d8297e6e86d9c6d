/**
 * Who has the rules in kernel tests that do not say: `WANMARK_TEST_BACKEND=nft` makes it nft, for every configuration that
 * nft and this kernel can carry out. Others go on with iptables.
 */
import type { RawConfig } from '#wanmark/config/options.js';
import { nftQueue } from './requires.js';

export const TRIES_NFT = process.env.WANMARK_TEST_BACKEND === 'nft';

/** Whether rules of this configuration are to be in nft. */
export function isForNft(config: RawConfig): boolean {
  if (!TRIES_NFT || config.firewall !== undefined) return false;
  const words = [config.backend ?? []].flat();
  if (words.some((one) => one === 'nft' || one === 'iptables' || one === 'auto')) return false;
  if ([config.set ?? []].flat().some((one) => String(one).includes(',external'))) return false;
  return config.engine === 'kernel' || nftQueue() === undefined;
}

/** The configuration, with what is tried. */
export function tried(config: RawConfig): RawConfig {
  return isForNft(config) ? { ...config, firewall: 'nft' } : config;
}

/** The flags of `up` or `run --up`, with what is tried. */
export function triedFlags(args: readonly string[]): string[] {
  const last = (flag: string) => args[args.lastIndexOf(flag) + 1];
  const all = (flag: string) => args.filter((_, i) => args[i - 1] === flag);
  const config = {
    ...(args.includes('--firewall') && { firewall: last('--firewall')! }),
    ...(args.includes('--engine') && { engine: last('--engine')! }),
    backend: all('--backend'),
    set: all('--set'),
  };
  return isForNft(config) ? [...args, '--firewall', 'nft'] : [...args];
}

/**
 * Whether tests that go through iptables' variants try this one: `iptables-nft` and `iptables-legacy` choose one; rules in
 * nft are the same beside either.
 */
export function isVariantTried(variant: string): boolean {
  const asked = process.env.WANMARK_TEST_BACKEND;
  return asked === undefined || asked === `iptables-${variant}` || (TRIES_NFT && variant === 'nft');
}

/** Whether tests that go through backends try this one. */
export function isBackendTried(backend: 'iptables' | 'nft'): boolean {
  const asked = process.env.WANMARK_TEST_BACKEND;
  return asked === undefined || asked.split('-')[0] === backend;
}
