import { OTHER_RULES } from '../../config/difference.js';
import { examination, few } from '../examination.js';

export const rules = examination({
  name: 'rules',
  asks: 'Whether the rules, routes and settings of the last `up` are all there, and are those of the given configuration.',
  kinds: {
    'not-up': {
      level: 'wrong',
      means: '`up` was not run since the machine started, or `down` was. Nothing is balanced.',
      todo: 'Run `wanmark up`, or start the unit `wanmark-rules`.',
    },
    'other-version': {
      level: 'wrong',
      means: 'The rules were made by a version of wanmark that kept its state in another form.',
      todo: 'Run `wanmark up` once more; connections stay.',
    },
    'other-configuration': {
      level: 'wrong',
      means: 'The configuration of this command line asks for other rules than the last `up` did.',
      todo: 'Run `wanmark up` with this configuration; connections stay.',
    },
    missing: {
      level: 'wrong',
      means: 'Somebody removed a part of what `up` installed: a firewall that was started anew, for example.',
      todo: 'The daemon puts it back within two seconds unless `--no-repair` is given. Otherwise run `wanmark refresh`, and look for who removed it.',
    },
    unseen: {
      level: 'warning',
      means: 'The rules could not be looked at: another command holds the lock, or a program failed.',
      todo: 'Run `wanmark check`, which waits, and says what fails.',
    },
  },
  examine: ({ rules: found, daemon }) => {
    switch (found.state) {
      case 'not up':
        return {
          faults: [{ kind: 'not-up', text: 'not up, so nothing is balanced', todo: "run 'wanmark up'" }],
        };
      case 'of another version': {
        const todo = "run 'wanmark up' again";
        return { faults: [{ kind: 'other-version', text: "the rules are another version's", todo }] };
      }
      case 'unseen': {
        const todo = "run 'wanmark check'";
        return { faults: [{ kind: 'unseen', text: `could not be looked at: ${found.why}`, todo }] };
      }
    }
    const back = daemon === undefined ? "run 'wanmark refresh'" : 'the daemon puts it back; look again';
    const faults = [
      ...few(
        found.missing.map((line) => ({ kind: 'missing' as const, text: `missing: ${line}`, todo: back })),
      ),
      ...(found.differs
        ? [
            {
              kind: 'other-configuration' as const,
              text: `${OTHER_RULES} than the given one`,
              todo: "run 'wanmark up' with this one",
            },
          ]
        : []),
    ];
    return { ok: faults.length === 0 ? 'all there, and of this configuration' : undefined, faults };
  },
});
