/**
 * Makes dist/, which is all the JavaScript of the package: bundle.js, after tsc
 *
 * A command reads a few files instead of the hundreds that the sources and the npm packages have, which halves its
 * start. Code that two entries share is in a file that both import, so a strategy that imports the package has the same
 * classes as the command line that runs it. Nothing is minified, so a stack trace can be read, and says by the comment
 * above a function which file it is from. Only files that have changed are written.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

process.chdir(join(import.meta.dirname, '..'));
const begun = new Date();

const SHARED = {
  bundle: true,
  format: 'esm',
  metafile: true,
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
};

const built = await Promise.all([
  build({
    ...SHARED,
    entryPoints: [
      'src/cli/main.ts',
      'src/daemon/connections-worker.ts',
      'src/index.ts',
      'src/lab/agent/main.ts',
    ],
    outbase: 'src',
    outdir: 'dist',
    splitting: true,
    platform: 'node',
    target: 'node20.19',
    // npm packages in CommonJS ask for Node's modules by this name, which modules do not have.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
    },
  }),
  build({
    ...SHARED,
    entryPoints: ['web/page.ts', 'web/page.css', 'web/index.html', 'web/icon.svg'],
    outdir: 'dist/page',
    platform: 'browser',
    loader: { '.html': 'copy', '.svg': 'copy' },
    sourcemap: false,
  }),
]);

const files = new Map(
  built.flatMap(({ outputFiles }) => outputFiles).map(({ path, contents }) => [path, Buffer.from(contents)]),
);
addDeclarations('dist-src/index.d.ts');
files.set(resolve('dist/licences.txt'), Buffer.from(licences()));

for (const [path, contents] of files) {
  if (existsSync(path) && readFileSync(path).equals(contents)) continue;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
}
for (const name of readdirSync('dist', { recursive: true })) {
  const path = resolve('dist', name);
  if (!files.has(path) && !statSync(path).isDirectory()) rmSync(path);
}
// For tests, which refuse a command that is older than the sources.
utimesSync('dist/cli/main.js', begun, begun);

/** Adds a file of declarations, and those that it imports. */
function addDeclarations(path) {
  const target = resolve('dist', relative('dist-src', path));
  if (files.has(target)) return;
  const text = readFileSync(path, 'utf8').replace(/\n\/\/# sourceMappingURL=.*/, '');
  files.set(target, Buffer.from(text));
  for (const [, name] of text.matchAll(/(?:from |import\()'(\.[^']+)\.js'/g)) {
    addDeclarations(join(dirname(path), `${name}.d.ts`));
  }
}

/** The licence of each npm package whose code is in a file of ours; MIT, ISC and BSD ask for their text. */
function licences() {
  const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const folders = inputs.map((input) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]);
  const sections = [...new Set(folders.filter((folder) => folder !== undefined))].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${folder} has no licence; leave it out`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return `The files of this folder have code of these packages in them.\n\n${sections.join(`\n${'-'.repeat(72)}\n\n`)}`;
}
