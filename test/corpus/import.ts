import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Imported } from '#wanmark/import/imported.js';
import { importMwan3 } from '#wanmark/import/mwan3/import.js';
import { readUci } from '#wanmark/import/uci/read.js';
import { importVyos } from '#wanmark/import/vyos/import.js';
import { draftConfig } from '#wanmark/import/yaml.js';
import type { Fixture } from './fixture.js';

/** What becomes of a file of mwan3, VyOS or EdgeOS. */
export function importOf({ program, name, path, network }: Fixture): Imported {
  const text = readFileSync(path, 'utf8');
  if (program === 'vyos') return importVyos(name, text);
  return importMwan3(name, readUci(name, text), readUci('network', readFileSync(network!, 'utf8')));
}

/** The configuration of a file as ours. */
export function configOf(fixture: Fixture): RawConfig {
  const { program, path } = fixture;
  return program === 'wanmark' ? parse(readFileSync(path, 'utf8')) : draftConfig(importOf(fixture).draft);
}
