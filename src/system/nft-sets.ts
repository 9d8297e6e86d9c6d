import { BlockList } from 'node:net';
import type { Family } from '../core/family.js';
import { setName, TABLE } from '../plan/render/nft/names.js';
import { isClientSet } from '../plan/stickiness.js';
import type { Run } from './run.js';

/**
 * Reads what packets and other programs have put into the sets of our nft table.
 * @returns whether a set has an address, by the set's name in the plan; undefined where there is no such set
 */
export async function readNftSets(run: Run): Promise<(set: string, address: string) => boolean | undefined> {
  const { stdout } = await run(['nft', 'list', 'table', ...TABLE.split(' ')]);
  const sets = new Map(
    [...stdout.matchAll(/^\tset (\S+) \{\n([\s\S]*?)^\t\}/gm)].map(([, name, body]) => [name!, body!]),
  );
  return (set, address) => {
    const family = address.includes(':') ? 6 : 4;
    const body = sets.get(setName(family, set));
    return body === undefined
      ? undefined
      : networksIn(body, family, isClientSet(set)).check(address, `ipv${family}`);
  };
}

/** The elements of a set as nft lists them: an address, a network or a range, each with its time behind it. */
function networksIn(body: string, family: Family, isOfClients: boolean): BlockList {
  const list = new BlockList();
  const type = `ipv${family}` as const;
  const elements = /elements = \{([^}]*)\}/.exec(body)?.[1] ?? '';
  for (const element of elements.split(',')) {
    const [text = ''] = element.trim().split(/\s/);
    const [first = '', last] = text.split('-');
    const [network = '', length] = first.split('/');
    if (network === '') continue;
    if (last !== undefined) list.addRange(first, last, type);
    else if (length !== undefined) list.addSubnet(network, Number(length), type);
    // An IPv6 client is its /64.
    else list.addSubnet(network, family === 4 ? 32 : isOfClients ? 64 : 128, type);
  }
  return list;
}
