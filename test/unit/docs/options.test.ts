import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { loadCommands } from '#wanmark/cli/commands.js';
import { parseCheck } from '#wanmark/config/check.js';
import { parseConfig } from '#wanmark/config/config.js';
import { BACKEND_KEYS, CHECK_KEYS, type Key, SERVICE_KEYS, WAN_KEYS } from '#wanmark/config/keys.js';
import { OPTIONS, type RawConfig } from '#wanmark/config/options.js';
import { optionsPage } from '../../docs/options-page.js';
import { blocks, readPage } from '../../docs/pages.js';

const PAGE = readPage('docs/options.md');

/** Each row of `page` that begins with code, as the code and its default. */
function rows(page: string): readonly (readonly [string, string])[] {
  const found = page.matchAll(/^\| `((?:[^`])+)` \| (?:`([^`]*)`)? \|/gm);
  return [...found].map(([, name, standard = '']) => [name!, standard] as const);
}

/** The keys that have a default, each with it. */
function defaults(table: Readonly<Record<string, Key>>): readonly (readonly [string, string])[] {
  return Object.entries(table).flatMap(([key, { default: standard }]) =>
    standard === undefined ? [] : [[key, standard] as const],
  );
}

describe('docs/options.md', () => {
  it('is what `npm run docs` writes', () => {
    assert.equal(PAGE, optionsPage());
  });

  it('lists every option, with its default, and none besides', () => {
    const listed = new Map(
      rows(PAGE)
        .filter(([name]) => name.startsWith('--'))
        .map(([name, standard]) => [name.slice(2).split(' ')[0]!, standard]),
    );
    assert.deepEqual([...listed.keys()].sort(), [...Object.keys(OPTIONS), 'config'].sort());
    for (const [name, standard] of listed) assert.equal(standard, OPTIONS[name]?.default ?? '', name);
  });

  it('lists every command', async () => {
    for (const { command } of await loadCommands([])) {
      const name = [command].flat()[0]!.split(' ')[0]!;
      assert.match(PAGE, new RegExp(`^\\| \`wanmark ${name}\` \\|`, 'm'));
    }
  });

  it('has a configuration file that is right', () => {
    const config = parseConfig(parse(blocks(PAGE, 'yaml')[0]!) as RawConfig);
    assert.deepEqual(
      config.wans.map(({ name, via, via6 }) => [name, via, via6]),
      [
        ['fibre', '192.0.2.1', 'fe80::1'],
        ['dsl', 'dev', undefined],
      ],
    );
  });
});

describe('a documented default is what holds without the key', () => {
  const wan = { name: 'fibre', dev: 'eth1' };
  for (const [key, standard] of defaults(WAN_KEYS)) {
    it(`of a WAN: ${key}`, () => {
      const given = parseConfig({ wan: [{ ...wan, [key]: standard }] });
      assert.deepEqual(given.wans, parseConfig({ wan: [wan] }).wans);
    });
  }

  const service = { name: 'web', listen: '192.0.2.1:80/tcp' };
  const backend = { service: 'web', to: '10.0.0.2' };
  for (const [key, standard] of defaults(SERVICE_KEYS)) {
    it(`of a service: ${key}`, () => {
      const given = parseConfig({ service: [{ ...service, [key]: standard }], backend: [backend] });
      assert.deepEqual(given.services, parseConfig({ service: [service], backend: [backend] }).services);
    });
  }
  for (const [key, standard] of defaults(BACKEND_KEYS)) {
    it(`of a backend: ${key}`, () => {
      const given = parseConfig({ service: [service], backend: [{ ...backend, [key]: standard }] });
      assert.deepEqual(given.services, parseConfig({ service: [service], backend: [backend] }).services);
    });
  }

  const CHECKS = {
    ping: { wan: 'all', check: 'ping', to: '192.0.2.1' },
    http: { wan: 'all', check: 'http', to: 'http://192.0.2.1/' },
    dns: { wan: 'all', check: 'dns', to: '192.0.2.1' },
  };
  const KIND: Readonly<Record<string, keyof typeof CHECKS>> = { status: 'http', name: 'dns' };
  for (const [key, standard] of defaults(CHECK_KEYS)) {
    it(`of a check: ${key}`, () => {
      const check = CHECKS[KIND[key] ?? 'ping'];
      assert.deepEqual(parseCheck({ ...check, [key]: standard }), parseCheck(check));
    });
  }
});
