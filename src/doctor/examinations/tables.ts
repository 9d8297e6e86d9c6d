import { examination, halves } from '../examination.js';
import { named } from '../whose.js';

export const tables = examination({
  name: 'tables',
  asks: 'Whether the routing tables of the WANs (1001 and up, or `--table`) hold routes of nobody else.',
  kinds: {
    taken: {
      level: 'wrong',
      means: 'Somebody else has a route in the table of a WAN, so packets of this WAN may go elsewhere.',
      todo: 'Take a free range by `--table N`, or keep the other program out of it.',
    },
  },
  examine: ({ others, config: { rules, wans } }) => {
    if (others === undefined || wans.length === 0) return { faults: [] };
    const faults = others.taken.map((line) => {
      const { text, todo } = halves(line);
      return { kind: 'taken' as const, text: named(text), todo };
    });
    const numbers = wans.map(({ mark }) => rules.table + mark);
    const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
    return { ok: faults.length > 0 ? undefined : `${first} to ${last} are ours alone`, faults };
  },
});
