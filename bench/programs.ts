import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../bench/programs/', import.meta.url));
const BUILT = fileURLToPath(new URL('./programs/', import.meta.url));
/** What each needs of libraries, as pkg-config knows them. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  flows: [],
  arrivals: [],
  textbook: ['libnetfilter_queue'],
  batched: ['libmnl'],
};

/** Compiles the C programs. @throws {Error} with what the compiler said */
export function buildPrograms(): void {
  mkdirSync(BUILT, { recursive: true });
  for (const [name, libraries] of Object.entries(LIBRARIES)) {
    const flags =
      libraries.length === 0
        ? []
        : execFileSync('pkg-config', ['--cflags', '--libs', ...libraries], { encoding: 'utf8' })
            .trim()
            .split(/\s+/);
    const wanted = ['-O2', '-D_GNU_SOURCE', '-o', built(name), source(`${name}.c`)];
    execFileSync('cc', [...wanted, ...flags], { stdio: ['ignore', 'inherit', 'pipe'] });
  }
}

/** A compiled program. */
export function built(name: string): string {
  return BUILT + name;
}

/** A program that runs as it stands. */
export function source(file: string): string {
  return SOURCES + file;
}
