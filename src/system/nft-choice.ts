import { parseNft } from '../plan/diff/nft.js';
import { TABLE } from '../plan/render/nft/names.js';

/** The chains that choose: among the WANs, those of each policy, and the backends of each service. */
const CHOOSING = /^(?:nat|mangle)[46]\.WANMARK_(?:KERNEL|BY_\S+|POOL\d+)$/;

/** A change of the kernel's own choice in our nft table. */
export interface NftChange {
  /** For `nft -f`; empty where the choice is the same. */
  readonly batch: readonly string[];
  /** The lists of the state when it is done. */
  readonly want: readonly string[];
  readonly have: readonly string[];
}

/**
 * The change from one choice to another. Undefined where the kernel does not print a chain as we write it, so that what it
 * will print of the new one is not known.
 */
export function nftChange(
  settled: { readonly want: readonly string[]; readonly have: readonly string[] },
  want: readonly string[],
): NftChange | undefined {
  const asked = parseNft(settled.want).rules;
  const printed = parseNft(settled.have).rules;
  const wished = parseNft(want).rules;
  const text = (rules: readonly string[] | undefined) => rules?.join('\n');
  const chains = [...new Set([...asked.keys(), ...wished.keys()])].filter(
    (chain) => CHOOSING.test(chain) && text(asked.get(chain)) !== text(wished.get(chain)),
  );
  const isLiteral = (chain: string) =>
    asked.has(chain) && wished.has(chain) && text(asked.get(chain)) === text(printed.get(chain));
  if (!chains.every((chain) => isLiteral(chain) && asked.get(chain)!.length > 0)) return undefined;
  const rules = chains.map((chain) => ({ chain, rules: wished.get(chain)! }));
  return {
    batch: rules.flatMap((one) => [
      `flush chain ${TABLE} ${one.chain}`,
      ...one.rules.map((rule) => `add rule ${TABLE} ${one.chain} ${rule}`),
    ]),
    want: rules.reduce(withChain, settled.want),
    have: rules.reduce(withChain, settled.have),
  };
}

/** The list with other rules for a chain. */
function withChain(
  lines: readonly string[],
  { chain, rules }: { readonly chain: string; readonly rules: readonly string[] },
): readonly string[] {
  const isOld = (line: string) => line.startsWith(`rule ${chain} `);
  const at = lines.findIndex(isOld);
  const fresh = rules.map((rule) => `rule ${chain} ${rule}`);
  return [...lines.slice(0, at), ...fresh, ...lines.slice(at).filter((line) => !isOld(line))];
}
