import { examination } from '../examination.js';

/** The parts of the table's size from which it is filling, and full: a burst takes the rest in a moment. */
const FILLING = 0.8;
const FULL = 0.95;

export const conntrack = examination({
  name: 'conntrack',
  asks: 'How full the table of connections is (`nf_conntrack_count` of `nf_conntrack_max`).',
  kinds: {
    full: {
      level: 'wrong',
      means: 'The table is full to 95 % or more; the kernel drops new connections that do not fit.',
      todo: '`sysctl -w net.netfilter.nf_conntrack_max=N`, twice what it is (an entry takes some 300 bytes); and look who makes so many.',
    },
    filling: {
      level: 'warning',
      means: 'The table is full to 80 % or more.',
      todo: 'As for `full`, before it is.',
    },
    unknown: {
      level: 'warning',
      means:
        'The kernel shows no table of connections, so `nf_conntrack` is not loaded, and nothing can be balanced.',
      todo: '`modprobe nf_conntrack`; `up` loads it with its rules.',
    },
  },
  examine: ({ settings: { conntrack: table }, rules }) => {
    if (table === undefined) {
      if (rules.state === 'not up') return { faults: [] };
      const text = 'the kernel shows no table of connections';
      return { faults: [{ kind: 'unknown', text, todo: 'modprobe nf_conntrack' }] };
    }
    const { count, max } = table;
    const fill = max === 0 ? 0 : count / max;
    const said = max === 0 ? `${count} connections` : `${count} of ${max} connections, ${percent(fill)}`;
    if (fill < FILLING) return { ok: said, faults: [] };
    const kind = fill < FULL ? 'filling' : 'full';
    const effect = kind === 'full' ? '; new ones are dropped when it is full' : '';
    return {
      faults: [{ kind, text: said + effect, todo: `sysctl -w net.netfilter.nf_conntrack_max=${2 * max}` }],
    };
  },
});

function percent(part: number): string {
  return `${Math.floor(100 * part)} %`;
}
