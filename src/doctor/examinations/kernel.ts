import { examination } from '../examination.js';

export const kernel = examination({
  name: 'kernel',
  asks: 'Whether the kernel and iptables have what the rules are made of: the queue, the matches and targets of xtables, sets.',
  kinds: {
    lacks: {
      level: 'warning',
      means:
        "Something is not there: a module that is not installed (OpenWrt's `kmod-` packages, `linux-modules-extra`), or a part of iptables.",
      todo: 'Install it, and run `wanmark up` again. The line says what does not work until then.',
    },
  },
  examine: ({ lacks }) => {
    if (lacks === undefined) return { faults: [] };
    if (lacks.length === 0) return { ok: 'has all that these rules need', faults: [] };
    const text = `lacks ${lacks.map(({ what, effect }) => `${what}: ${effect}`).join('; ')}`;
    const todo = [...new Set(lacks.map((one) => one.todo))].join('; ');
    return { faults: [{ kind: 'lacks', text, todo }] };
  },
});
