import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { ruleFlags } from '#wanmark/config/flags.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { assertRefused } from './refused.js';

const WANS = ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'];
const policies = (raw: RawConfig) => parseConfig({ wan: WANS, ...raw }).policies;
const stickyOf = (sticky: unknown) => policies({ sticky }).sticky;
const refuses = (raw: RawConfig, complaint: RegExp) => assertRefused(() => policies(raw), complaint);

describe('sticky', () => {
  it('says who keeps a WAN, for how long, and up to which bound', () => {
    assert.equal(policies({}).sticky, undefined);
    assert.deepEqual(stickyOf('src'), { by: 'src', forMs: 600_000, bound: undefined });
    assert.deepEqual(stickyOf('src+dst:for=90'), { by: 'src+dst', forMs: 90_000, bound: undefined });
    assert.deepEqual(stickyOf('src:for=1h:bound=1.25'), { by: 'src', forMs: 3_600_000, bound: 1.25 });
    assert.deepEqual(stickyOf({ by: 'src', for: '7d', bound: 2 }), {
      by: 'src',
      forMs: 604_800_000,
      bound: 2,
    });
  });

  it('is each policy’s own', () => {
    const { used, sticky } = policies({
      policy: ['web,use=fibre+dsl,sticky=src:for=1h', 'other,use=fibre+dsl'],
      rule: ['web', 'other'],
    });
    assert.equal(sticky, undefined);
    assert.deepEqual(
      used.map((one) => one.sticky),
      [{ by: 'src', forMs: 3_600_000, bound: undefined }, undefined],
    );
  });

  it('is the same from the flags that are shown', () => {
    const config = parseConfig({
      wan: WANS,
      policy: ['web,use=fibre+dsl,sticky=src+dst:for=5400:bound=1.5'],
      rule: ['web'],
      sticky: 'src:for=2h',
    });
    const flags = ruleFlags(config);
    assert.match(flags, /sticky=src\+dst:for=90m:bound=1\.5/);
    assert.match(flags, /--sticky src:for=2h/);
  });

  it('is refused with what is wrong', () => {
    refuses({ sticky: 'source' }, /--sticky: unknown sticky "source"; did you mean "src"/);
    refuses({ sticky: 'src:1h' }, /"1h" of sticky is not key=value; write for example src:for=1h/);
    refuses({ sticky: 'src:for=1w' }, /sticky for "1w" must be a time from 1s to 30d/);
    refuses({ sticky: 'src:for=0' }, /sticky for "0" must be/);
    refuses({ sticky: 'src:for=31d' }, /sticky for "31d" must be/);
    refuses({ sticky: 'src:bound=1' }, /sticky bound "1" must be a number above 1/);
    refuses({ sticky: 'src:bund=2' }, /sticky: unknown key "bund"; did you mean "bound"\?/);
    refuses({ sticky: ['src', 'src'] }, /given 2 times/);
    refuses({ policy: ['web,use=dsl,sticky=dst'], rule: ['web'] }, /policy "web": unknown sticky "dst"/);
    refuses({ wan: undefined, 'high-mark': '3', sticky: 'src' }, /--sticky is for connections by WANs/);
    refuses(
      { sticky: 'src', engine: 'kernel', per: 'packet' },
      /--sticky is for connections; with --per packet/,
    );
  });
});
