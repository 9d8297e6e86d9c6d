/**
 * What an import prints is a configuration that is accepted. With WANMARK_CORPUS=FOLDER it is tried with real files, too:
 * NAME.uci with NAME.network.uci beside it, NAME.vyos and NAME.edgeos.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Imported } from '#wanmark/import/imported.js';
import { importMwan3 } from '#wanmark/import/mwan3/import.js';
import { readUci } from '#wanmark/import/uci/read.js';
import { importVyos } from '#wanmark/import/vyos/import.js';
import { renderDraft } from '#wanmark/import/yaml.js';
import { ROOT } from '../../docs/pages.js';

const FIXTURES = `${ROOT}test/unit/import/fixtures`;
const CORPUS = process.env.WANMARK_CORPUS;

function mwan3(file: string, network: string): Imported {
  const beside = existsSync(network) ? readUci(network, readFileSync(network, 'utf8')) : undefined;
  return importMwan3(file, readUci(file, readFileSync(file, 'utf8')), beside);
}

function vyos(file: string): Imported {
  return importVyos(file, readFileSync(file, 'utf8'));
}

function accept({ draft }: Imported): void {
  const config = parseConfig(parse(renderDraft(draft, ['head'])) as RawConfig);
  assert.equal(config.wans.length, draft.wan.length);
  assert.equal(config.policies.rules.length, draft.rule.length);
}

describe('what an import prints is accepted', () => {
  for (const name of ['mwan3', 'odd'])
    it(`of ${name}`, () => accept(mwan3(`${FIXTURES}/${name}`, `${FIXTURES}/network`)));
  for (const name of ['vyos', 'edgeos']) it(`of ${name}`, () => accept(vyos(`${FIXTURES}/${name}`)));
});

if (CORPUS !== undefined) {
  describe('what is printed for real files is accepted', () => {
    for (const name of readdirSync(CORPUS)) {
      const file = `${CORPUS}/${name}`;
      const network = file.replace(/\.uci$/, '.network.uci');
      if (/\.(vyos|edgeos)$/.test(name)) it(name, () => accept(vyos(file)));
      if (/^[^.]+\.uci$/.test(name)) it(name, () => accept(mwan3(file, network)));
    }
  });
}
