import { examination, type Found } from '../examination.js';
import type { ServerFacts } from '../facts.js';
import { groupBy } from '../groups.js';

type Kind = 'silent' | 'refused' | 'server';

export const dns = examination<Kind>({
  name: 'dns',
  asks: 'Whether the name servers of `resolv.conf` answer by each WAN; where these are programs of the router itself, those of systemd-resolved, or the targets of a `dns` check. Name servers of the LAN are left out.',
  kinds: {
    silent: {
      level: 'wrong',
      means:
        'No name server answers by this WAN, so clients and programs whose questions go by it find no names.',
      todo: 'If its gateway and its checks are well, use name servers that are reached by every WAN.',
    },
    refused: {
      level: 'warning',
      means: 'The name servers answer strangers with REFUSED: they are those of another provider.',
      todo: 'Use public name servers, or a rule that keeps their addresses on their WAN (`--rule POLICY,dst=ADDRESS`).',
    },
    server: {
      level: 'warning',
      means:
        'One name server does not answer by this WAN, and others do. Each question to it costs a client seconds.',
      todo: 'Take it out of `resolv.conf`, or keep it on its WAN by a rule.',
    },
  },
  examine: ({ servers }) => {
    if (servers === undefined) return { ok: 'no name server is asked by a WAN', faults: [] };
    const groups = groupBy(servers, ({ wan, family }) => `${wan}, IPv${family}`);
    const faults = [...groups].flatMap(([where, all]) => judged(where, all));
    const well = [...groups].filter(([, all]) => all.every(({ result }) => result.ok));
    return {
      ok: well.length === 0 ? undefined : `answers by ${well.map(([where]) => where).join('; ')}`,
      faults,
    };
  },
});

/** The faults of one WAN in one family. */
function judged(where: string, all: readonly ServerFacts[]): Found<Kind>[] {
  // What did not get out of this machine says nothing.
  const bad = all.filter(({ result }) => !result.ok && !result.inconclusive);
  if (bad.length === 0) return [];
  const list = bad.map(({ server, result }) => `${server}: ${result.why}`).join(', ');
  if (all.some(({ result }) => result.ok))
    return [
      {
        kind: 'server',
        text: `${where}: ${list}`,
        todo: 'take it out of resolv.conf, or keep it on its WAN',
      },
    ];
  if (bad.some(({ result }) => result.why === 'REFUSED')) {
    const todo = 'use public name servers, or a --rule that keeps these on their WAN';
    return [{ kind: 'refused', text: `${where}: refused (${list})`, todo }];
  }
  const todo = 'use name servers that every WAN reaches';
  return [{ kind: 'silent', text: `${where}: no name server answers (${list})`, todo }];
}
