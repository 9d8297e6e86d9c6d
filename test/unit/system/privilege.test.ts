import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasNetAdmin } from '#wanmark/system/privilege.js';

const status = (set: string) =>
  `Name:\tnode\nCapPrm:\tffffffffffffffff\nCapEff:\t${set}\nCapBnd:\tffffffffffffffff\n`;

describe('hasNetAdmin', () => {
  it('reads the effective set', () => {
    assert.equal(hasNetAdmin(status('000001ffffffffff')), true);
    assert.equal(hasNetAdmin(status('0000000000001000')), true);
    assert.equal(hasNetAdmin(status('000001ffffffefff')), false);
    assert.equal(hasNetAdmin(status('0000000000000000')), false);
  });

  it('takes a text without the line for no capability', () => {
    assert.equal(hasNetAdmin('Name:\tnode\n'), false);
  });
});
