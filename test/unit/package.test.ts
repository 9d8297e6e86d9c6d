import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { after, describe, it } from 'node:test';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { addonTarget } from '#wanmark/native.js';
import { CHECKOUT, installTarball, packFreshClone } from '../helpers/tarball.js';
import { compareContents } from '../release/contents.js';

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly man: readonly string[];
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const folder = mkdtempSync(join(tmpdir(), 'wanmark-package-'));
after(() => rmSync(folder, { recursive: true }));
const tarball = packFreshClone(folder);

describe('the package, packed from a clone in which nothing is built', () => {
  const { files } = tarball;

  it('has the files that its bin, man and exports name', () => {
    const { bin, man, exports } = JSON.parse(
      readFileSync(join(CHECKOUT, 'package.json'), 'utf8'),
    ) as Manifest;
    const named = [
      ...Object.values(bin),
      ...man,
      ...Object.values(exports).flatMap((one) => Object.values(one)),
    ];
    for (const name of named) assert.ok(files.includes(name.replace('./', '')), name);
  });

  it('has what packaging/npm/contents.txt names, beside the addons for other machines', () => {
    const list = readFileSync(join(CHECKOUT, 'packaging/npm/contents.txt'), 'utf8');
    const addons = list.split('\n').filter((line) => line.startsWith('prebuilds/'));
    assert.deepEqual(compareContents([...new Set([...files, ...addons])], list), []);
  });

  it('has the schema for editors', () => assert.ok(files.includes('docs/wanmark.schema.json')));

  it('has the page', () => {
    for (const name of ['index.html', 'page.js', 'page.css', 'icon.svg']) {
      assert.ok(files.includes(`dist/page/${name}`), name);
    }
  });

  it('has the addon for this machine, and no script that npm would have to run', () => {
    assert.ok(files.includes(`prebuilds/${addonTarget()}/nfqueue.node`));
    const { scripts, gypfile } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
      scripts: Readonly<Record<string, string>>;
      gypfile: boolean;
    };
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
      assert.equal(scripts[name], undefined);
    // Otherwise npm would run node-gyp because of binding.gyp.
    assert.equal(gypfile, false);
  });

  it('has every document and picture that its documents link', () => {
    const folders = new Set(files.map((name) => dirname(name)));
    const broken = files
      .filter((name) => name.endsWith('.md'))
      .flatMap((name) => {
        const links = readFileSync(join(CHECKOUT, name), 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g);
        const linked = [...links].map(([, target]) => normalize(join(dirname(name), target!)));
        return linked.filter((target) => !files.includes(target) && !folders.has(target));
      });
    assert.deepEqual(broken, []);
  });
});

describe('a project that has only the tarball', () => {
  const project = join(folder, 'project');
  mkdirSync(project);
  installTarball(tarball, project, ['@types/node']);
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');

  /** Compiles a file of the project, the declarations of the package included, and asks for no complaint. */
  function compile(name: string, types: readonly string[]): void {
    const options = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noUncheckedIndexedAccess: true,
      types,
    };
    const config = { compilerOptions: { ...options, noEmit: true }, files: [name] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(CHECKOUT, 'node_modules/.bin/tsc');
    const { status, stdout } = spawnSync(tsc, ['-p', project], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  }

  /** What a `ts` block of a document says, by a name for it. */
  const documents = readdirSync(join(CHECKOUT, 'docs')).filter((name) => name.endsWith('.md'));
  const blocks = documents.flatMap((document) => {
    const text = readFileSync(join(CHECKOUT, 'docs', document), 'utf8');
    return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(
      ([, code], i) => [`docs/${document}, block ${i + 1} of TypeScript`, code!] as const,
    );
  });
  const strategy = readFileSync(join(CHECKOUT, 'examples/strategy.ts'), 'utf8');
  for (const [name, text] of [['examples/strategy.ts', strategy] as const, ...blocks]) {
    it(`compiles ${name}, for which Node's own types are not needed`, () => {
      writeFileSync(join(project, 'strategy.ts'), text);
      compile('strategy.ts', []);
    });
  }

  it('compiles examples/embed.ts', () => {
    writeFileSync(join(project, 'embed.ts'), readFileSync(join(CHECKOUT, 'examples/embed.ts')));
    compile('embed.ts', ['node']);
  });

  it('is told what is wrong in a strategy', () => {
    writeFileSync(join(project, 'wrong.ts'), strategy.replace('return wan;', 'return wan.name;'));
    assert.throws(
      () => compile('wrong.ts', []),
      /wrong\.ts[\s\S]*'string' is not assignable to type 'Candidate'/,
    );
  });

  it('finds every built-in strategy by the name that --strategy takes', () => {
    const program = `
      import { PerSet, STRATEGIES, weighted } from 'wanmark';
      if (STRATEGIES.get('weighted') !== weighted) throw new Error('weighted');
      const context = { random: () => 0, now: () => 0, connections: () => 0 };
      const wans = [{ name: 'one', weight: 1, mark: 1, tier: 1 }];
      const picks = [...STRATEGIES].map(([name, make]) => [name, make(context).pick({ srcHash: 7 }, wans) === wans[0]]);
      console.log(JSON.stringify(picks), new PerSet(() => 5).get(wans));`;
    writeFileSync(join(project, 'main.js'), program);
    const { stdout, stderr } = spawnSync(process.execPath, ['main.js'], { cwd: project, encoding: 'utf8' });
    const picks = [...STRATEGIES.keys()].map((name) => [name, true]);
    assert.equal(stdout, `${JSON.stringify(picks)} 5\n`, stderr);
  });

  it('needs no other package to run', () => {
    const { stdout } = spawnSync(
      'sh',
      ['-c', 'cp -R node_modules/wanmark . && exec node wanmark/dist/cli/main.js --help'],
      {
        cwd: project,
        encoding: 'utf8',
      },
    );
    assert.match(stdout, /^wanmark COMMAND/);
  });

  it('gives a strategy the classes of the command that runs it', () => {
    const text = `import { UsageError } from 'wanmark';
      export default () => { throw new UsageError('give it a budget'); };`;
    writeFileSync(join(project, 'mine.js'), text);
    const main = join(project, 'node_modules/wanmark/dist/cli/main.js');
    const argv = [main, 'lab', '--strategy', './mine.js'];
    const { stderr } = spawnSync(process.execPath, argv, { cwd: project, encoding: 'utf8' });
    assert.equal(stderr, 'wanmark: give it a budget\n', 'an error of another class "does not load"');
  });
});
