import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckPath, CheckResult } from '#wanmark/wan/check/check.js';
import { httpCheck } from '#wanmark/wan/check/http.js';
import { NameCache, probeByName } from '#wanmark/wan/check/names.js';

const by = (family: 4 | 6, wan = 'a'): CheckPath => ({ wan, family, mark: 1, device: 'lo' });

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
    await Promise.all([names.addresses('a.example', by(4)), names.addresses('a.example', by(4))]);
    await names.addresses('a.example', by(4));
    assert.equal(asked, 1);
    now = 1000;
    answer = () => Promise.reject(new Error('SERVFAIL'));
    assert.deepEqual(await names.addresses('a.example', by(4)), ['192.0.2.1']);
    await assert.rejects(names.addresses('b.example', by(4)));
    assert.deepEqual(await names.addresses('192.0.2.7', by(4)), ['192.0.2.7']);
    assert.deepEqual(await names.addresses('192.0.2.7', by(6)), []);
    assert.equal(asked, 3);
  });

  it('are asked for by each WAN, and again when an address did not answer', async () => {
    const asked: string[] = [];
    const names = new NameCache(async (name, { wan, family }) => {
      asked.push(`${name} ${wan} ${family}`);
      return [`192.0.2.${asked.length}`];
    });
    for (const path of [by(4), by(4), by(4, 'b'), by(6)]) await names.addresses('a.example', path);
    assert.deepEqual(asked.splice(0), ['a.example a 4', 'a.example b 4', 'a.example a 6']);
    const { signal } = new AbortController();
    const probed: string[] = [];
    const probe = (answer: CheckResult) =>
      probeByName(names, 'c.example', { path: by(4), timeoutMs: 1000, signal }, async (address) => {
        probed.push(address);
        return answer;
      });
    const lost = { ok: false, why: 'timeout' };
    for (const one of [{ ok: true, why: '' }, lost, { ...lost, inconclusive: true as const }, lost])
      await probe(one);
    assert.deepEqual(probed, ['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.2']);
    assert.deepEqual(asked, ['c.example a 4', 'c.example a 4']);
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
