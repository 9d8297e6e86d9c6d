import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { describeCommands } from '#wanmark/cli/descriptions.js';
import { CHECK_KEYS, POLICY_KEYS, RULE_KEYS, SERVICE_KEYS, WAN_KEYS } from '#wanmark/config/keys.js';
import { OPTIONS } from '#wanmark/config/options.js';
import { manualPages } from '../../docs/manual.js';
import { textLines } from '../../docs/mdoc.js';
import { ROOT, readPage } from '../../docs/pages.js';
import { needs, unpacked } from '../../helpers/requires.js';
import { runUnpacked } from '../../helpers/unpacked.js';

const pages = await manualPages();
const commands = pages.get('man/wanmark.8')!;
const file = pages.get('man/wanmark.yaml.5')!;

/** What the items of a page's lists begin with, behind a macro. */
function heads(page: string, macro: string): readonly string[] {
  return [...page.matchAll(new RegExp(`^\\.It ${macro} (\\S+)`, 'gm'))].map(([, head]) =>
    head!.replaceAll('\\', ''),
  );
}

describe('the manual', () => {
  it('is what package.json names', () => {
    const { man } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { man: readonly string[] };
    assert.deepEqual(man, [...pages.keys()]);
  });

  for (const [path, text] of pages) {
    it(`has ${path} as \`npm run docs\` writes it`, () => assert.equal(readPage(path), text));

    it(`has ${path} as mandoc wants it`, needs(unpacked('usr/bin/mandoc')), () => {
      const { status, stdout, stderr } = runUnpacked('usr/bin/mandoc', [
        ...['-Tlint', '-W', 'warning', ROOT + path],
      ]);
      assert.deepEqual({ status, said: stdout + stderr }, { status: 0, said: '' });
    });
  }

  it('has every command, and the options of each', async () => {
    const all = await describeCommands();
    assert.deepEqual(
      heads(commands, 'Cm'),
      all.map(({ name }) => name),
    );
    const flags = new Set(heads(commands, 'Fl'));
    for (const { name, options } of all)
      for (const option of options) assert.ok(flags.has(`-${option.name}`), `${name} --${option.name}`);
    for (const option of Object.keys(OPTIONS)) assert.ok(flags.has(`-${option}`), option);
  });

  it('has every option of the file, and every key', () => {
    const found = heads(file, 'Cm');
    assert.deepEqual(found.slice(0, Object.keys(OPTIONS).length), Object.keys(OPTIONS));
    for (const table of [WAN_KEYS, POLICY_KEYS, RULE_KEYS, SERVICE_KEYS, CHECK_KEYS])
      for (const key of Object.keys(table)) assert.ok(found.includes(key), key);
  });
});

describe('text in mdoc', () => {
  it('has a sentence to a line, code in bold, and no links', () => {
    assert.equal(
      textLines('Takes `a-b`. See [here](x.md), or not. Ends'),
      'Takes \\fBa\\-b\\fR.\nSee here, or not.\nEnds',
    );
  });
  it('has no macro that nobody meant, and no escape', () => {
    assert.equal(textLines('.Sh \\ here'), '\\&.Sh \\e here');
    assert.ok(
      textLines(`${'word '.repeat(15)}'tis`)
        .split('\n')
        .at(-1)!
        .startsWith("\\&'tis"),
    );
  });
});
