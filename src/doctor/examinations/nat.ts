import { FAMILIES, type Family } from '../../core/family.js';
import { carries, natOf, type Wan } from '../../core/wan.js';
import { covers, parseNetwork } from '../../plan/network.js';
import { examination, few } from '../examination.js';
import type { NatFacts } from '../facts.js';

/** RFC 1918, RFC 6598 and RFC 4193: addresses that nobody in the Internet can answer. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map(
  (text) => parseNetwork(text)!,
);

export const nat = examination({
  name: 'nat',
  asks: 'Whether what leaves by each WAN is translated, where the networks of the LAN have private addresses.',
  kinds: {
    missing: {
      level: 'wrong',
      means:
        "Our rules for translation were removed: clients' private addresses leave as they are, and no answer comes back.",
      todo: 'The daemon puts them back; without it run `wanmark refresh`.',
    },
    none: {
      level: 'warning',
      means:
        'The WAN has `nat=none` (`nat6`), the LAN has private addresses, and no rule of somebody else translates them. That is right only where the modem does.',
      todo: 'Leave `nat=none` out; or look whether the modem knows a way back to the LAN.',
    },
  },
  examine: ({ nat: found, rules, config: { wans } }) => {
    const gone = rules.state === 'seen' ? rules.missing.filter((line) => /^\S+ nat: /.test(line)) : [];
    const faults = [
      ...few(
        gone.map((line) => ({
          kind: 'missing' as const,
          text: `missing: ${line}, so clients' addresses leave untranslated`,
          todo: "run 'wanmark refresh'",
        })),
      ),
      ...(found === undefined
        ? []
        : wans.flatMap((wan) => FAMILIES.flatMap((family) => bare(wan, family, found)))),
    ];
    return {
      ok: faults.length > 0 || wans.length === 0 ? undefined : 'what leaves by a WAN is translated',
      faults,
    };
  },
});

/** A WAN that translates nothing, while the LAN has private addresses and nobody else translates them. */
function bare(wan: Wan, family: Family, { lan, translators }: NatFacts) {
  if (!carries(wan, family) || natOf(wan, family) !== 'none') return [];
  const left = lan[family].find(({ address }) => {
    const network = parseNetwork(address)!;
    if (!PRIVATE.some((one) => covers(one, network))) return false;
    return !translators.some(
      (one) =>
        one.family === family &&
        (one.out === undefined || one.out === wan.dev) &&
        (one.source === undefined || covers(parseNetwork(one.source) ?? network, network)),
    );
  });
  if (left === undefined) return [];
  const key = family === 6 ? 'nat6' : 'nat';
  const text = `${wan.name} has ${key}=none, and ${left.dev} has the private address ${left.address}`;
  return [{ kind: 'none' as const, text, todo: `leave ${key}=none out, unless the modem translates` }];
}
