/** The sets of clients that a daemon has in our nft table, on request by standard input: nft-clients-peer.js FAMILY */
import { createInterface } from 'node:readline';
import { bytesKey, keyAddress, parseAddress } from '#wanmark/core/address.js';
import { NftClientSets } from '#wanmark/system/nft-client-sets.js';
import { rulesetFingerprint } from '#wanmark/system/ruleset.js';

const family = process.argv[2] === '6' ? 6 : 4;
const members = new Map([1, 2, 3].map((k) => [`wan${k}`, k]));
const sets = new NftClientSets(family, 'default', members);
const keyOf = (address: string) => bytesKey(parseAddress(address), 0, family === 6 ? 8 : 4);

function answer(line: string): string {
  const [verb, first = '', member = '', seconds] = line.split(' ');
  switch (verb) {
    case 'read':
      return JSON.stringify(sets.read().map((one) => [keyAddress(one.key, family), one.member, one.seconds]));
    case 'place':
      return String(
        sets.place([{ key: keyOf(first), member: member === 'none' ? undefined : member }], Number(seconds)),
      );
    case 'many': {
      const all = Array.from({ length: Number(first) }, (_, i) => ({
        key: keyOf(`10.77.0.${i}`),
        member: `wan${1 + (i % 3)}`,
      }));
      return String(sets.place(all, 1000));
    }
    default:
      return rulesetFingerprint('nft', false);
  }
}

sets.read();
for await (const line of createInterface(process.stdin)) process.stdout.write(`${answer(line)}\n`);
