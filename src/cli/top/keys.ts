/** The keys that mean something. */
export type Key =
  | 'up'
  | 'down'
  | 'quit'
  | 'stop'
  | 'back'
  | 'drain'
  | 'set-down'
  | 'again'
  | 'list'
  | 'yes'
  | 'other';

const KEYS: Readonly<Record<string, Key>> = {
  '\x1b[A': 'up',
  '\x1bOA': 'up',
  k: 'up',
  '\x1b[B': 'down',
  '\x1bOB': 'down',
  j: 'down',
  q: 'quit',
  '\x03': 'quit',
  '\x04': 'quit',
  '\x1a': 'stop',
  b: 'back',
  '\x1b': 'back',
  '\x7f': 'back',
  d: 'drain',
  s: 'set-down',
  u: 'again',
  c: 'list',
  y: 'yes',
};

/** The keys in what a terminal sent at once; several may come together, and a sequence of a key without a meaning is one. */
export function keysOf(text: string): Key[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how keys are sent
  const parts = text.match(/\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[\s\S]/g) ?? [];
  return parts.map((part) => (Object.hasOwn(KEYS, part) ? KEYS[part]! : 'other'));
}
