import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../bench/programs/', import.meta.url));
const BUILT = fileURLToPath(new URL('./programs/', import.meta.url));
/** The C programs, each with the libraries it needs, by their names in pkg-config. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  flows: [],
  arrivals: [],
  connects: [],
  acceptor: [],
  textbook: ['libnetfilter_queue'],
  batched: ['libmnl'],
};

/** Compiles the C programs. @throws {Error} with the compiler's words, or the name of the missing program */
export function buildPrograms(): void {
  mkdirSync(BUILT, { recursive: true });
  for (const [name, libraries] of Object.entries(LIBRARIES)) {
    const asked = libraries.length === 0 ? '' : run('pkg-config', ['--cflags', '--libs', ...libraries]);
    const flags = asked.split(/\s+/).filter((flag) => flag !== '');
    run('cc', ['-O2', '-D_GNU_SOURCE', '-o', built(name), source(`${name}.c`), ...flags]);
  }
}

/** Compiles the program in Go. @returns why that is not possible; undefined when it is built */
export function buildGo(): string | undefined {
  if (spawnSync('go', ['version']).status !== 0) return 'go is not installed';
  try {
    run('go', ['build', '-o', built('goloop'), '.'], { cwd: source('go') });
    return undefined;
  } catch (error) {
    return (error as Error).message.replaceAll('\n', ' ');
  }
}

function run(program: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { ...options, encoding: 'utf8' });
  if (error)
    throw new Error(`cannot run ${program} (${error.message}); sh scripts/setup.sh bench installs it`);
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')} failed:\n${stderr.trim()}`);
  return stdout;
}

/** The path of a compiled program. */
export function built(name: string): string {
  return BUILT + name;
}

/** The path of a program that runs without being compiled. */
export function source(file: string): string {
  return SOURCES + file;
}
