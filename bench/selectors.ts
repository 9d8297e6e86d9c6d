/**
 * Compares wanmark with other selectors on the same work in one run, and measures what its parts cost:
 * `npm run bench -- --help` lists its options.
 *
 * In each round all contenders take their turn, so that other load on the machine falls on all of them; a ratio is the
 * median of the rounds' ratios. `--check`: the exit code is 1 when a limit is not held. `--small`: a smoke run of
 * seconds, in which only counts are checked.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bench, type Part } from './bench.js';
import { BATCHED, GO, NPM, PYTHON, STATISTIC, TEXTBOOK } from './contender.js';
import { stolenSince } from './cpu.js';
import { Field } from './field.js';
import { makeRoom } from './held.js';
import { launch, options, positive, words } from './main.js';
import { connects } from './parts/connects.js';
import { cost } from './parts/cost.js';
import { decisions } from './parts/decisions.js';
import { engines } from './parts/engines.js';
import { highest } from './parts/highest.js';
import { latency } from './parts/latency.js';
import { log } from './parts/log.js';
import { machine } from './parts/machine.js';
import { policies } from './parts/policies.js';
import { queues } from './parts/queues.js';
import { readers } from './parts/readers.js';
import { start } from './parts/start.js';
import { strategies } from './parts/strategies.js';
import { tracked } from './parts/tracked.js';
import { buildPrograms } from './programs.js';
import { Report } from './report.js';
import { FULL, SMALL } from './size.js';

const PARTS: Readonly<Record<string, Part>> = {
  cost,
  connects,
  strategies,
  queues,
  policies,
  log,
  latency,
  readers,
  highest,
  start,
  machine,
  engines,
  tracked,
  decisions,
};

const USAGE = `npm run bench -- [OPTION...]: wanmark and other selectors on the same work in one run

  --only PART,...  of these parts: ${Object.keys(PARTS).join(', ')}
  --rounds N       how often each contender has its turn (${FULL.rounds}; ${SMALL.rounds} with --small)
  --check          exit code 1 when a limit is not held
  --small          a smoke run of seconds, in which only counts are checked

It needs root and a quiet machine; docs/benchmarks.md says what is measured and what it was.
`;

const flags = options(
  {
    small: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    rounds: { type: 'string' },
  },
  USAGE,
);
const parts = words('only', flags.only, Object.keys(PARTS));
const size = flags.small ? SMALL : FULL;
const rounds = flags.rounds === undefined ? size.rounds : positive('rounds', flags.rounds);

launch(async () => {
  makeRoom(flags.small ? 20_000 : 1_000_000);
  buildPrograms();
  const directory = mkdtempSync(join(tmpdir(), 'wanmark-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const report = new Report(!flags.small);
  const machine = `Linux ${release()}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}`;
  report.line(`${new Date().toISOString()}, ${machine}`);
  const others = [TEXTBOOK, BATCHED, NPM, PYTHON, GO, STATISTIC].filter((one) => {
    const absent = one.absent();
    if (absent !== undefined) report.line(`without ${one.name}: ${absent}`);
    return absent === undefined;
  });
  const field = await Field.start();
  try {
    const bench = new Bench({ field, report, size, rounds, directory, others });
    for (const part of parts) {
      const stolen = stolenSince();
      await PARTS[part]!(bench);
      report.line(`taken by the machine's host meanwhile, % of the CPUs: ${stolen().toFixed(1)}`);
    }
  } finally {
    await field.stop();
  }
  if (!report.good && (flags.check || flags.small)) process.exitCode = 1;
});
