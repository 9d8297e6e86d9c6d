/** What is the same in docs/options.md and in the manual: each with Markdown of its own. */

/** The variables that the program reads: name, default and what it does. */
export const ENVIRONMENT: readonly (readonly [string, string, string])[] = [
  [
    'WANMARK_SOCKET',
    '/run/wanmark/wanmark.sock',
    'is where `status`, `set` and `reload` ask the daemon; `--socket` wins over it',
  ],
  [
    'WANMARK_RUN',
    '/run/wanmark',
    'is the directory of the lock, and of what is remembered from `up` to `down`; a second [network namespace](limits.md#one-installation-in-a-network-namespace) that shares it has a folder in it',
  ],
  [
    'WANMARK_STATE',
    '/var/lib/wanmark',
    "is the directory of what outlives a boot: [the month's bytes](systemd.md#the-months-bytes)",
  ],
];

/** The exit codes, and what each means. */
export const EXIT_CODES: readonly (readonly [number, string])[] = [
  [0, 'It is done; also on SIGTERM and SIGINT'],
  [
    1,
    'The machine would not, `check` found something missing, `doctor` something wrong, or `import` lost something',
  ],
  [2, 'The usage or the configuration is wrong'],
];
