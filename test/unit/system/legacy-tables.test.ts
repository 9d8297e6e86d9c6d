import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasLegacyTables } from '#wanmark/system/legacy-tables.js';

const failing = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

describe('hasLegacyTables', () => {
  it("goes by the kernel's own list, and believes in tables where it cannot be read", () => {
    assert.equal(
      hasLegacyTables(4, (file) => (file === '/proc/net/ip_tables_names' ? 'nat\nmangle\n' : '')),
      true,
    );
    assert.equal(
      hasLegacyTables(6, (file) => (file === '/proc/net/ip6_tables_names' ? '' : 'nat\n')),
      false,
    );
    assert.equal(hasLegacyTables(4, failing('ENOENT')), false);
    assert.equal(hasLegacyTables(4, failing('EACCES')), true);
  });
});
