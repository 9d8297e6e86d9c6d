/**
 * Runs kernel tests on the stock kernels of Debian releases, with each backend, in emulated machines:
 * `npm run test:kernels`, or `npm run test:kernels -- NAME...` for other files of test/netns. A line says how each file
 * ended, and at the end comes a table. What the files said is in build/kernels/results. Exit code 1 when a test failed.
 *
 * Environment: WANMARK_KERNELS=6.1 and WANMARK_TEST_BACKEND=iptables-nft choose, with commas for several.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT, prepareSystem, RELEASES } from './system.js';
import { type Column, inWords, type Result, readResult, renderTable } from './table.js';
import { runInVm } from './vm.js';

/** The part that every release of wanmark is tried with: the queue, each kind of rule, the daemon and checks. */
const CHOSEN = [
  ...['queue-open', 'queue-verdicts', 'queue-several', 'nft', 'engine-kernel', 'rules-packets'],
  ...['rules-traffic', 'check-path', 'conntrack-requests', 'policies-recipes'],
  ...['doctor-stock', 'tunnels-stock'],
];
const BACKENDS = ['iptables-nft', 'iptables-legacy', 'nft'];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function refuse(reason: string): never {
  process.stderr.write(`wanmark: ${reason}\n`);
  process.exit(2);
}

/** The members of `all` that an environment variable names. */
function chosen<Item>(
  all: readonly Item[],
  variable: string,
  nameOf: (item: Item) => string,
): readonly Item[] {
  const names = process.env[variable]?.split(',');
  if (names === undefined) return all;
  const unknown = names.find((name) => !all.some((item) => nameOf(item) === name));
  if (unknown !== undefined) refuse(`${variable} "${unknown}" must be one of ${all.map(nameOf).join(', ')}`);
  return all.filter((item) => names.includes(nameOf(item)));
}

const files = process.argv.length > 2 ? process.argv.slice(2) : CHOSEN;
const missing = files.find((name) => !existsSync(join(CHECKOUT, `dist-test/netns/${name}.test.js`)));
if (missing !== undefined) refuse(`there is no test/netns/${missing}.test.ts`);
if (process.geteuid?.() !== 0) refuse('to unpack a Debian system takes root');
const columns: Column[] = [];
const releases = chosen(RELEASES, 'WANMARK_KERNELS', ({ kernel }) => kernel);
const backends = chosen(BACKENDS, 'WANMARK_TEST_BACKEND', (name) => name);
for (const release of releases) {
  const system = prepareSystem(release);
  for (const backend of backends) {
    const title = `${release.kernel}, ${backend}`;
    const folder = join(CHECKOUT, 'build/kernels/results', `${release.kernel}-${backend}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const results: Result[] = [];
    await runInVm({ system, backend, files, results: folder }, (line) => {
      if (!line.startsWith('file ')) return say(`${title}: ${release.name}, ${line}`);
      const result = readResult(line);
      results.push(result);
      say(`${title}: ${result.file.padEnd(24)} ${inWords(result).padEnd(16)} ${result.seconds} s`);
    });
    columns.push({ title, results });
  }
}
say(`\n${renderTable(columns)}`);
process.exitCode = columns.some(({ results }) => results.some(({ failed }) => failed > 0)) ? 1 : 0;
