import { hex } from '../../core/mark.js';
import { examination, halves } from '../examination.js';
import { named } from '../whose.js';

export const marks = examination({
  name: 'marks',
  asks: 'Whether rules, ip rules or connections of others use the bits of our marks, as `up` and `check` say it, too. The program is named where its chains or marks give it away.',
  kinds: {
    conflict: {
      level: 'warning',
      means:
        'Somebody writes or compares bits of `--mask` or `--backend-mask`: connections lose their WAN, or get one that nobody chose.',
      todo: 'Give it or wanmark other bits; [marks](marks.md) says who uses which, and which are free.',
    },
  },
  examine: ({ conflicts, config }) => {
    if (conflicts === undefined) return { faults: [] };
    const faults = conflicts.map((line) => {
      const { text, todo } = halves(line);
      return { kind: 'conflict' as const, text: named(text), todo };
    });
    const ok = `nobody else uses ${hex(config.fields.wans.mask)}`;
    return { ok: faults.length === 0 ? ok : undefined, faults };
  },
});
