/** Whatever stands in a file, it is imported, or refused in one line, and what is printed means what was checked. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '#wanmark/config/config.js';
import { printable } from '#wanmark/core/printable.js';
import { UsageError } from '#wanmark/errors.js';
import type { Imported } from '#wanmark/import/imported.js';
import { importMwan3 } from '#wanmark/import/mwan3/import.js';
import { readUci } from '#wanmark/import/uci/read.js';
import { importVyos } from '#wanmark/import/vyos/import.js';
import { draftConfig, renderDraft } from '#wanmark/import/yaml.js';
import { ROOT } from '../../docs/pages.js';
import { fuzz } from '../../helpers/fuzz.js';

const LONGEST_MS = 5000;

function fixture(name: string): Buffer {
  return readFileSync(`${ROOT}test/unit/import/fixtures/${name}`);
}

function takesOrRefuses(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    assert.doesNotMatch(printable(error.message), /\n/);
  }
}

function check(make: () => Imported): void {
  const began = performance.now();
  takesOrRefuses(() => {
    const { draft, findings } = make();
    const config = draftConfig(draft);
    assert.deepEqual(parse(renderDraft(draft, ['head'])), JSON.parse(JSON.stringify(config)));
    for (const { text } of findings.all) assert.doesNotMatch(printable(text), /\n/);
    takesOrRefuses(() => parseConfig(config));
  });
  assert.ok(performance.now() - began < LONGEST_MS);
}

describe('an import', () => {
  it('of mwan3', async () => {
    const sources = ['mwan3', 'odd'].map(fixture);
    const network = fixture('network');
    await fuzz((draw) => {
      const source = draw.pick(sources);
      const isNetwork = draw.below(3) === 0;
      const text = Buffer.from(isNetwork ? source : draw.mutated(source)).toString();
      const beside = Buffer.from(isNetwork ? draw.mutated(network) : network).toString();
      check(() =>
        importMwan3('f', readUci('f', text), draw.below(4) === 0 ? undefined : readUci('n', beside)),
      );
    });
  });

  it('of VyOS and EdgeOS', async () => {
    const sources = ['vyos', 'edgeos'].map(fixture);
    await fuzz((draw) =>
      check(() => importVyos('f', Buffer.from(draw.mutated(draw.pick(sources))).toString())),
    );
  });
});
