import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { markLine } from '#wanmark/mark-line.js';

const FIELDS = {
  time: new Date(2026, 10, 30, 4, 5, 6, 7).getTime(),
  mark: 1,
  wan: 'fibre',
  strategy: 'weighted',
  proto: 'tcp',
  src: '10.0.0.11',
  sport: 1024,
  dst: '203.0.113.10',
  dport: 7,
  in: 'lan0',
};

describe('a decision on a terminal', () => {
  it('is one line', () => {
    const common = '[04:05:06.007] tcp 10.0.0.11:1024 -> 203.0.113.10:7';
    assert.equal(markLine(FIELDS), `${common} from lan0: fibre (weighted)`);
    assert.equal(markLine({ ...FIELDS, in: null, policy: 'voip' }), `${common}: fibre (voip, weighted)`);
    const { wan: _, ...bare } = FIELDS;
    assert.equal(markLine(bare), `${common} from lan0: mark 1 (weighted)`);
    const service = { service: 'web', backend: '10.0.0.2:80' };
    assert.equal(markLine({ ...bare, ...service }), `${common} from lan0: web/10.0.0.2:80 (weighted)`);
    const six = { ...FIELDS, src: 'fd00::1', dst: '2001:db8::1' };
    assert.match(markLine(six), / tcp \[fd00::1\]:1024 -> \[2001:db8::1\]:7 from/);
  });
});
