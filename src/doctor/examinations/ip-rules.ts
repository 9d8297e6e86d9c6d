import { examination, halves } from '../examination.js';
import { named } from '../whose.js';

export const ipRules = examination({
  name: 'ip-rules',
  asks: 'Whether ip rules, VRFs or tunnels of others leave our rules nothing, or cannot be followed. What is followed is named, and well.',
  kinds: {
    'takes-all': {
      level: 'wrong',
      means:
        'An ip rule of somebody else leads every connection by another table before ours are asked, so nothing is balanced.',
      todo: 'Remove it, or take a `--priority` below its own. See [policy routing](coexistence.md#wg-quick-vpn-scripts-and-policy-routing-ip-rule).',
    },
    note: {
      level: 'warning',
      means:
        'Something else of the machine does not go together with the rules: a mark of ours that an ip rule asks for, an ip rule that cannot be copied, a device in a VRF, a tunnel whose far end is not known.',
      todo: 'Do what the line says; [beside other programs](coexistence.md) has the details.',
    },
  },
  examine: ({ notes }) => {
    if (notes === undefined) return { faults: [] };
    const faults = notes
      .filter((line) => line.startsWith('warning: '))
      .map((line) => {
        const { text, todo } = halves(line);
        const kind = /takes every connection/.test(line) ? ('takes-all' as const) : ('note' as const);
        return { kind, text: named(text), todo };
      });
    const followed = notes.filter((line) => !line.startsWith('warning: ')).map(named);
    return { ok: faults.length > 0 ? undefined : followed.join('; ') || "nobody's are in the way", faults };
  },
});
