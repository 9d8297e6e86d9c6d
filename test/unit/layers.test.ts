import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

/** Which folders the files of a folder may import from, beside their own and the errors. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'regular-file.ts': [],
  core: ['errors.ts'],
  config: ['core', 'errors.ts'],
  plan: ['core', 'config', 'errors.ts'],
  'paths.ts': [],
  'native.ts': ['paths.ts', 'errors.ts'],
  queue: ['core', 'native.ts', 'errors.ts'],
  conntrack: ['core', 'native.ts', 'errors.ts'],
  system: ['core', 'config', 'plan', 'native.ts', 'paths.ts', 'regular-file.ts', 'errors.ts'],
  'output.ts': [],
  'journald.ts': [],
  'clock-text.ts': [],
  'log-text.ts': ['clock-text.ts'],
  'mark-line.ts': ['clock-text.ts'],
  'log.ts': ['core', 'journald.ts', 'log-text.ts', 'mark-line.ts', 'output.ts', 'errors.ts'],
  wan: ['core', 'config', 'conntrack', 'system', 'native.ts', 'errors.ts'],
  control: ['core', 'config', 'errors.ts'],
  doctor: ['core', 'config', 'plan', 'control', 'system', 'wan', 'errors.ts'],
  metrics: ['core', 'config', 'control', 'errors.ts'],
  web: ['core', 'config', 'control', 'metrics', 'paths.ts', 'regular-file.ts', 'errors.ts'],
  import: ['core', 'config', 'errors.ts'],
  daemon: [
    'core',
    'config',
    'plan',
    'control',
    'queue',
    'conntrack',
    'system',
    'wan',
    'log.ts',
    'paths.ts',
    'regular-file.ts',
    'errors.ts',
  ],
  lab: ['core', 'config', 'system', 'paths.ts', 'errors.ts'],
  cli: [
    'core',
    'config',
    'plan',
    'control',
    'queue',
    'conntrack',
    'system',
    'wan',
    'daemon',
    'doctor',
    'import',
    'lab',
    'native.ts',
    'metrics',
    'web',
    'journald.ts',
    'log.ts',
    'paths.ts',
    'errors.ts',
  ],
  'index.ts': ['core', 'queue', 'control', 'errors.ts'],
};

const inSrc = (file: string) => relative(SRC, file);
const top = (file: string) => inSrc(file).split('/')[0]!;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(SRC, name));

/** The files that a file imports, its types included. */
function importsOf(file: string): string[] {
  const imports = readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)\.js'/g);
  return [...imports].map(([, path]) => join(dirname(file), `${path}.ts`));
}

/** The way from a file back to itself, or to a circle that it leads into. */
function circleFrom(file: string, way: readonly string[], clean: Set<string>): readonly string[] | undefined {
  if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
  if (clean.has(file)) return undefined;
  for (const next of importsOf(file)) {
    const circle = circleFrom(next, [...way, file], clean);
    if (circle !== undefined) return circle;
  }
  clean.add(file);
  return undefined;
}

describe('dependency direction', () => {
  it('has no circle', () => {
    const clean = new Set<string>();
    const circle = files.map((file) => circleFrom(file, [], clean)).find((one) => one !== undefined);
    assert.equal(circle?.map(inSrc).join(' -> '), undefined);
  });

  it('has a rule for every folder', () => {
    assert.deepEqual(
      [...new Set(files.map(top))].filter((name) => !(name in MAY_IMPORT)),
      [],
    );
    assert.ok(files.length > 20);
  });

  for (const file of files) {
    it(inSrc(file), () => {
      for (const path of importsOf(file)) {
        const allowed = [top(file), ...MAY_IMPORT[top(file)]!];
        assert.ok(
          allowed.includes(top(path)),
          `imports ${inSrc(path)}: ${top(file)} may use ${allowed.join(', ')}`,
        );
      }
    });
  }
});

const NATIVE = fileURLToPath(new URL('../../native/', import.meta.url));

/** The same for the C++: which folders the files of a folder may include from, beside their own. */
const MAY_INCLUDE: Readonly<Record<string, readonly string[]>> = {
  base: [],
  queue: ['base'],
  conntrack: ['base'],
  probe: ['base'],
  route: ['base'],
  nft: ['base'],
  host: ['base'],
  js: ['base', 'queue', 'conntrack', 'probe', 'route', 'nft', 'host'],
};

describe('dependency direction of the C++', () => {
  const sources = readdirSync(NATIVE, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(cc|h)$/.test(name),
  );

  it('has a rule for every folder', () => {
    assert.deepEqual(
      [...new Set(sources.map((name) => dirname(name)))].sort(),
      Object.keys(MAY_INCLUDE).sort(),
    );
  });

  for (const name of sources) {
    it(name, () => {
      const folder = dirname(name);
      const text = readFileSync(join(NATIVE, name), 'utf8');
      for (const [, path] of text.matchAll(/#include "([^"]+)"/g)) {
        const allowed = [folder, ...MAY_INCLUDE[folder]!];
        assert.ok(
          allowed.includes(dirname(path!)),
          `includes ${path}: ${folder} may use ${allowed.join(', ')}`,
        );
      }
      // Everything else is read, tested and sanitized without Node.
      if (folder !== 'js') assert.doesNotMatch(text, /#include <(napi|node_api|uv)\.h>/);
    });
  }
});
