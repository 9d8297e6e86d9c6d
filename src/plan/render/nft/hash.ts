import type { Family } from '../../../core/family.js';
import type { HashField } from '../../../core/flow-hash.js';
import { byHash } from '../../../core/strategies/hash.js';
import { fillTable } from '../../../core/table.js';
import type { Choice } from '../../plan.js';
import { bitsWords, ip } from './matches.js';
import { markChain } from './names.js';

/**
 * More make shares more even and the rule longer: with 512 a WAN of half the weight has its share within some 4 %. In a user
 * namespace nft can send 200 KB at once, which is six such rules.
 */
const PLACES = 512;
/** Without a seed of ours the kernel draws one for each rule, and a change of the choice would move all. */
const SEED = '0x1';
/** Those of which the kernel knows ports where nft's `th` reads them, in nft's order. */
const WITH_PORTS = 'meta l4proto { tcp, udp, dccp, sctp, udplite }';

/**
 * The rules of a choice by a hash of packets, written as nft prints them. Places are given out as by the strategy of the
 * same name: when a share goes, only its own places are given to others. The hash is the kernel's own (jhash), so a
 * packet has another place than with the daemon.
 *
 * Protocols without ports have a rule without them.
 */
export function hashLines(choice: Choice, fields: readonly HashField[], family: Family): string[] {
  const { mask, shares, undecided: value = 0 } = choice;
  const when = bitsWords('meta mark', { value, mask });
  const jump = (at: number) => `jump ${markChain('mark', { value: shares[at]!.value, mask })}`;
  if (shares.length === 1) return [`${when} ${jump(0)}`];
  const parts = [...placesOf(choice, fields)].map((at, place) => `${place} : ${jump(at)}`);
  const words = wordsOf(family);
  const hash = (those: readonly HashField[]) =>
    `jhash ${those.map((field) => words[field]).join(' . ')} mod ${PLACES} seed ${SEED} vmap { ${parts.join(', ')} }`;
  const portless = fields.filter((field) => field !== 'sport' && field !== 'dport');
  if (portless.length === fields.length) return [`${when} ${hash(fields)}`];
  return [
    `${when} ${WITH_PORTS} ${hash(fields)}`,
    // All of a protocol are equal where nothing but ports is asked.
    `${when} ${hash(portless.length === 0 ? ['proto'] : portless)}`,
  ];
}

function placesOf({ shares }: Choice, fields: readonly HashField[]): Uint16Array {
  const candidates = shares.map(({ name, weight, value }) => ({ name, weight, mark: value, tier: 1 }));
  const strategy = byHash(fields)({ random: () => 0, now: () => 0, connections: () => 0 });
  const places = new Uint16Array(PLACES);
  fillTable(strategy.table!, candidates, places);
  return places;
}

function wordsOf(family: Family): Readonly<Record<HashField, string>> {
  const own = ip(family);
  return {
    src: `${own} saddr`,
    sport: 'th sport',
    dst: `${own} daddr`,
    dport: 'th dport',
    proto: 'meta l4proto',
  };
}
