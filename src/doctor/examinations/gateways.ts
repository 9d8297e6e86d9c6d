import { examination, type Found } from '../examination.js';

type Kind = 'silent' | 'unknown';

const ASKED_BY = { 4: 'ARP', 6: 'neighbour discovery' } as const;

export const gateways = examination<Kind>({
  name: 'gateways',
  asks: 'Whether each gateway answers on its link: ARP for IPv4, neighbour discovery for IPv6. It is asked three times in three seconds. A point-to-point device has no gateway to ask.',
  kinds: {
    silent: {
      level: 'wrong',
      means:
        'The modem or router of this WAN does not answer: it is off, the cable is in another port, or it has another address.',
      todo: 'Look at the modem and its cable; compare `via` with the address that the provider gives.',
    },
    unknown: {
      level: 'warning',
      means: 'The kernel could not be made to ask, as on a device that has just gone.',
      todo: 'Run it again; `ip neigh show dev DEV` says what the kernel knows.',
    },
  },
  examine: ({ gateways: asked }) => {
    if (asked === undefined) return { faults: [] };
    const faults = asked.flatMap(({ wan, family, dev, address, answer }): Found<Kind>[] => {
      if (answer === 'answers') return [];
      if (answer === 'silent') {
        const text = `${wan}: ${address} on ${dev} does not answer (${ASKED_BY[family]})`;
        return [{ kind: 'silent', text, todo: 'look at the modem and its cable, and at via' }];
      }
      const text = `${wan}: ${address} on ${dev} could not be asked`;
      return [{ kind: 'unknown', text, todo: `look at 'ip neigh show dev ${dev}'` }];
    });
    const well = asked.filter(({ answer }) => answer === 'answers');
    const list = well.map(({ wan, address }) => `${wan} (${address})`).join(', ');
    return { ok: list === '' ? undefined : list, faults };
  },
});
