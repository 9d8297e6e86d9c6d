import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  return fixture.program === 'wanmark' ? readOurs(fixture) : draftConfig(importOf(fixture).draft);
}

/** A configuration that is ours already. A strategy's file is beside it, wherever the test runs. */
export function readOurs({ path }: Fixture): RawConfig {
  const config = parse(readFileSync(path, 'utf8'));
  for (const policy of config.policy ?? []) {
    if (policy.strategy?.endsWith('.mjs')) policy.strategy = join(dirname(path), policy.strategy);
  }
  return config;
}
