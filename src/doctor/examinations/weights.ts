import { unusedSettings } from '../../config/unused.js';
import { examination, halves } from '../examination.js';

export const weights = examination({
  name: 'weights',
  asks: 'Whether the configuration asks for something that nobody does: weights that the strategy ignores, a strategy that needs the daemon, a policy that no rule leads to.',
  kinds: {
    unused: {
      level: 'warning',
      means: 'Something of the configuration has no effect.',
      todo: 'Do what the line says; [strategies](strategies.md) says which ones go by weight.',
    },
  },
  examine: ({ config }) => {
    const faults = unusedSettings(config).map((line) => {
      const { text, todo } = halves(line);
      return { kind: 'unused' as const, text, todo };
    });
    return { ok: faults.length > 0 ? undefined : 'all that is configured has its effect', faults };
  },
});
