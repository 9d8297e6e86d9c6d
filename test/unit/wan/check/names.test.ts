import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckPath } from '#wanmark/wan/check/check.js';
import { httpCheck } from '#wanmark/wan/check/http.js';
import { NameCache } from '#wanmark/wan/check/names.js';

describe('names', () => {
  it('are asked for once in a while, together, and stay known while no server can tell', async () => {
    let now = 0;
    let asked = 0;
    let answer: () => Promise<string[]> = async () => ['192.0.2.1'];
    const names = new NameCache(
      () => {
        asked++;
        return answer();
      },
      () => now,
      1000,
    );
    await Promise.all([names.addresses('a.example', 4), names.addresses('a.example', 4)]);
    await names.addresses('a.example', 4);
    assert.equal(asked, 1);
    now = 1000;
    answer = () => Promise.reject(new Error('SERVFAIL'));
    assert.deepEqual(await names.addresses('a.example', 4), ['192.0.2.1']);
    await assert.rejects(names.addresses('b.example', 4));
    assert.deepEqual(await names.addresses('192.0.2.7', 4), ['192.0.2.7']);
    assert.deepEqual(await names.addresses('192.0.2.7', 6), []);
    assert.equal(asked, 3);
  });

  it('that nobody can resolve say nothing of the WAN', async () => {
    const path: CheckPath = { wan: 'a', family: 4, mark: 1, device: 'lo' };
    const { signal } = new AbortController();
    const check = (resolve: () => Promise<string[]>, ms = 60_000) =>
      httpCheck(204, new NameCache(resolve))('http://a.example/', path, ms, signal);
    const unknown = { ok: false, why: 'cannot resolve a.example', inconclusive: true };
    assert.deepEqual(await check(() => Promise.reject(new Error('x'))), unknown);
    assert.deepEqual(await check(() => new Promise(() => {}), 1), unknown);
    assert.deepEqual(await check(async () => []), {
      ok: false,
      why: 'a.example has no IPv4 address',
      inconclusive: true,
    });
  });
});
