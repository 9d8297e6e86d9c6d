import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import { isExhausted } from '#wanmark/system/exhausted.js';

const error = (fields: object) => Object.assign(new Error('it failed'), fields);

describe('isExhausted', () => {
  it('knows want of descriptors and memory, by Node and by the addon, and in a system error of Node', () => {
    const { EMFILE, ENFILE, ENOMEM, ENOBUFS } = constants.errno;
    for (const [code, errno] of Object.entries({ EMFILE, ENFILE, ENOMEM, ENOBUFS })) {
      assert.ok(isExhausted(error({ code })), code);
      assert.ok(isExhausted(error({ errno })), `${code} of the addon`);
      assert.ok(isExhausted(error({ errno: -errno })), `${code} of libuv`);
      assert.ok(isExhausted(error({ code: 'ERR_SYSTEM_ERROR', info: { code } })), `${code} inside`);
    }
  });

  it('takes nothing else for it', () => {
    const { ENOENT, EPERM } = constants.errno;
    for (const other of [error({}), error({ code: 'ENOENT', errno: ENOENT }), error({ errno: -EPERM })]) {
      assert.equal(isExhausted(other), false);
    }
    for (const other of [undefined, null, 'EMFILE', { code: 'EMFILE' }])
      assert.equal(isExhausted(other), false);
  });
});
