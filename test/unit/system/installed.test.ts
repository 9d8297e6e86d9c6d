import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { DEFAULT_BACKEND_MASK } from '#wanmark/config/options/services.js';
import { DEFAULT_MASK } from '#wanmark/config/options/wans.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { installedConfig, keptText, readInstalled, withInstalledFields } from '#wanmark/system/installed.js';

const WAN = { wan: ['a,dev=eth1'] };
const BOTH = { ...WAN, service: ['web,listen=192.0.2.1:80/tcp'], backend: ['web,to=10.0.0.1'] };

describe('the fields of rules that are up', () => {
  let run: string;

  beforeEach(() => {
    run = mkdtempSync(join(tmpdir(), 'wanmark-installed-'));
    process.env.WANMARK_RUN = run;
  });

  afterEach(() => {
    delete process.env.WANMARK_RUN;
    rmSync(run, { recursive: true });
  });

  const keep = (text: string) => {
    mkdirSync(join(run, 'state'));
    writeFileSync(join(run, 'state', 'plan.json'), text);
  };
  /** The text that an `up` with these options leaves. */
  const left = (raw: RawConfig) =>
    keptText({
      raw,
      numbers: { wans: new Map(), backends: new Map(), policies: new Map() },
      states: NO_STATES,
      firewall: { programs: { 4: 'iptables', 6: 'ip6tables' }, variant: 'nft' },
      links: new Map(),
      unusable: new Set(),
      macs: new Map(),
      endpoints: new Map([['wg0', ['192.0.2.9']]]),
      counting: new Map([['4 WANMARK_POLICY', 12.5]]),
    });
  const masks = (raw: RawConfig) => {
    const { fields } = parseConfig(withInstalledFields(raw));
    return [fields.wans.mask, fields.backends.mask];
  };
  const DEFAULTS = [Number(DEFAULT_MASK), Number(DEFAULT_BACKEND_MASK)];

  it('are the defaults where nothing is up', () => {
    assert.deepEqual(masks(WAN), DEFAULTS);
  });

  it('are read from the file only when it has changed, and the configuration is made only then', () => {
    keep(left(WAN));
    const first = readInstalled()!;
    assert.equal(readInstalled(), first);
    assert.equal(installedConfig(readInstalled()!), installedConfig(first));
    const path = join(run, 'state', 'plan.json');
    // As the executor does, with as many bytes.
    writeFileSync(`${path}.new`, left({ wan: ['b,dev=eth2'] }));
    renameSync(`${path}.new`, path);
    assert.deepEqual(
      installedConfig(readInstalled()!).wans.map(({ name }) => name),
      ['b'],
    );
    rmSync(path);
    assert.equal(readInstalled(), undefined);
  });

  it('are noted even where `up` named none, so that another default cannot move them', () => {
    const { raw } = JSON.parse(left(BOTH));
    assert.deepEqual([raw.mask, raw['backend-mask']], [DEFAULT_MASK, DEFAULT_BACKEND_MASK]);
  });

  it('hold for a command that names none, and give way to a flag', () => {
    keep(left({ ...BOTH, mask: '0xff0000', 'backend-mask': 0xff }));
    assert.deepEqual(masks(BOTH), [0xff0000, 0xff]);
    assert.deepEqual(masks({ ...BOTH, mask: '0x3f00' }), [0x3f00, 0xff]);
    assert.equal(masks(WAN)[0], 0xff0000, 'without services, too');
    assert.deepEqual(masks({ 'high-mark': '3' })[0], 0xff, 'bare marks are not those of our rules');
  });

  it('are those of its time where an older version noted none', () => {
    keep(JSON.stringify({ ...JSON.parse(left(BOTH)), raw: BOTH }));
    assert.deepEqual(masks(BOTH), [0xff, 0xff00]);
    assert.equal(installedConfig(readInstalled()!).fields.wans.mask, 0xff);
  });
});
