import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure, probe } from '#wanmark/wan/check/check.js';

describe('the frame of a check', () => {
  it('ends once, at the limit, at once when cancelled, and cleans up once each time', async () => {
    const none = new AbortController().signal;
    let cleaned = 0;
    const clean = () => () => {
      cleaned++;
    };
    assert.deepEqual(await probe(1, none, clean), { ok: false, why: 'timeout' });
    const abort = new AbortController();
    const running = probe(60_000, abort.signal, clean);
    abort.abort();
    assert.equal((await running).inconclusive, true);
    assert.equal((await probe(60_000, abort.signal, clean)).why, 'cancelled');
    assert.equal(cleaned, 2);
    const twice = await probe(60_000, none, (settle) => {
      settle({ ok: true, why: 'first' });
      settle({ ok: false, why: 'second' });
      return clean();
    });
    assert.deepEqual([twice.why, cleaned], ['first', 3]);
    const thrown = await probe(60_000, none, () => {
      throw Object.assign(new Error('x'), { code: 'ENETUNREACH' });
    });
    assert.deepEqual(thrown, { ok: false, why: 'no route' });
  });

  it('tells what is wrong with the WAN from what is wrong here', () => {
    assert.equal(failure({ code: 'ENODEV' }).inconclusive, undefined);
    assert.equal(failure({ code: 'EMFILE', message: 'too many' }).inconclusive, true);
    assert.deepEqual(failure(new Error('one\ntwo')), { ok: false, why: 'one' });
  });
});
