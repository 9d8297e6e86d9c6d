import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import { failure, probe } from '#wanmark/wan/check/check.js';
import { ProbeError } from '#wanmark/wan/probe-socket.js';

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
    const isOfMachine = (step: string, number: number) =>
      failure(new ProbeError(step, number)).inconclusive === true;
    const { EMFILE, ENFILE, ENOMEM, ENOBUFS, EPERM, EACCES, EAGAIN, EADDRINUSE, EINVAL } = constants.errno;
    for (const number of [EMFILE, ENFILE, ENOMEM, ENOBUFS, EPERM, EAGAIN, EADDRINUSE]) {
      for (const step of ['socket', 'connect', 'send', 'receive']) {
        assert.ok(isOfMachine(step, number), `${step} ${number}`);
      }
    }
    for (const step of ['socket', 'mark', 'device', 'source', 'loop'])
      assert.ok(isOfMachine(step, EACCES), step);
    for (const step of ['connect', 'send', 'receive']) {
      // As ICMPv6 says "administratively prohibited", and a route is a blackhole.
      assert.ok(!isOfMachine(step, EACCES), step);
      assert.ok(!isOfMachine(step, EINVAL), step);
    }
    const { ENODEV, ENXIO, EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED } = constants.errno;
    for (const number of [ENODEV, EADDRNOTAVAIL]) assert.ok(!isOfMachine('device', number));
    for (const number of [ENXIO, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED])
      assert.ok(!isOfMachine('send', number));
    assert.equal(
      failure({ code: 'CERT_NOT_YET_VALID' }).inconclusive,
      true,
      'the clock of a router without a battery',
    );
    assert.deepEqual(failure(new Error('one\ntwo')), { ok: false, why: 'one' });
  });
});
