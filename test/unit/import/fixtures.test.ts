/**
 * What becomes of whole configurations, word for word: NAME is the source, NAME.yaml what is printed, NAME.txt what is said.
 * `WANMARK_GOLDEN=write` writes the texts instead; read the difference before you keep it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import type { Imported } from '#wanmark/import/imported.js';
import { importMwan3 } from '#wanmark/import/mwan3/import.js';
import { readUci } from '#wanmark/import/uci/read.js';
import { importVyos } from '#wanmark/import/vyos/import.js';
import { draftConfig, renderDraft } from '#wanmark/import/yaml.js';
import { ROOT } from '../../docs/pages.js';

const FOLDER = `${ROOT}test/unit/import/fixtures`;
const read = (name: string) => readFileSync(`${FOLDER}/${name}`, 'utf8');

function mwan3(name: string): Imported {
  return importMwan3(name, readUci(name, read(name)), readUci('network', read('network')));
}

const FIXTURES: Readonly<Record<string, () => Imported>> = {
  mwan3: () => mwan3('mwan3'),
  odd: () => mwan3('odd'),
  vyos: () => importVyos('vyos', read('vyos')),
  edgeos: () => importVyos('edgeos', read('edgeos')),
};

function said({ findings }: Imported): string {
  return findings.all
    .map(
      ({ at, also, text, lost }) =>
        `${[at, ...also].map(({ line }) => line)} ${lost ? 'lost' : 'note'}: ${text}\n`,
    )
    .join('');
}

/** The commands that make a configuration with braces, as `show configuration commands` prints them. */
function commands(text: string): string {
  const path: string[] = [];
  const lines = text.split('\n').map((line) => line.trim());
  return lines
    .flatMap((line) => {
      if (line === '' || line.startsWith('/*')) return [];
      if (line === '}') path.pop();
      else if (line.endsWith('{')) path.push(line.slice(0, -2));
      else return [`set ${[...path, line].join(' ')}`];
      return line === '}' ? [] : [`set ${path.join(' ')}`];
    })
    .join('\n');
}

describe('a whole configuration', () => {
  for (const [name, make] of Object.entries(FIXTURES)) {
    it(`of ${name} is what its files say`, () => {
      const imported = make();
      const texts = { yaml: renderDraft(imported.draft, [`From ${name}.`]), txt: said(imported) };
      for (const [ending, text] of Object.entries(texts)) {
        if (process.env.WANMARK_GOLDEN === 'write') writeFileSync(`${FOLDER}/${name}.${ending}`, text);
        assert.equal(text, read(`${name}.${ending}`));
      }
    });

    it(`of ${name} is the same as YAML and as it is checked`, () => {
      const { draft } = make();
      assert.deepEqual(parse(renderDraft(draft, ['x'])), draftConfig(draft));
    });
  }

  for (const name of ['vyos', 'edgeos']) {
    it(`of ${name} is the same in both notations`, () => {
      const { draft } = importVyos(name, commands(read(name)));
      assert.deepEqual(draftConfig(draft), draftConfig(FIXTURES[name]!().draft));
    });
  }
});

describe('the comments of what is printed', () => {
  it('are of one line, whatever the source has', () => {
    const text = "config policy 'p'\n\tlist use_member 'm\nb: 1'\n";
    const source = `config interface 'a'\n\toption enabled '1'\n\toption family 'ipv4\u2028wan: 1\u001b[2J'\n${text}`;
    const { draft } = importMwan3('f', readUci('f', source));
    const yaml = renderDraft(draft, ['a\nb: 1']);
    assert.doesNotMatch(yaml, /^(wan|b): 1/m);
    for (const harmful of ['\u001b', '\u2028']) assert.ok(!yaml.includes(harmful));
    assert.deepEqual(parse(yaml), draftConfig(draft));
  });
});
