import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CheckPath, failure, probe } from '#wanmark/wan/check/check.js';
import { dnsAnswer, dnsQuery } from '#wanmark/wan/check/dns-message.js';
import { httpCheck } from '#wanmark/wan/check/http.js';
import { checksum, echoRequest, isEchoReply } from '#wanmark/wan/check/icmp.js';
import { NameCache } from '#wanmark/wan/check/names.js';

describe('ICMP echo', () => {
  const payload = Buffer.from('0123456789abcdef');

  it('a request has a good checksum for IPv4 and leaves it to the kernel for IPv6', () => {
    const four = echoRequest(4, 0x1234, payload);
    assert.deepEqual([four[0], four[1], four[4], four[5]], [8, 0, 0x12, 0x34]);
    assert.equal(checksum(four), 0);
    const six = echoRequest(6, 1, payload);
    assert.deepEqual([six[0], six[2], six[3]], [128, 0, 0]);
    assert.equal(checksum(Buffer.from([1])), 0xfeff);
  });

  it('a reply is known by its payload, with or without the IP header', () => {
    const reply = Buffer.from(echoRequest(4, 1, payload));
    assert.equal(isEchoReply(4, reply, payload, false), false, 'a request');
    reply[0] = 0;
    const header = Buffer.alloc(24);
    header[0] = 0x46;
    assert.equal(isEchoReply(4, reply, payload, false), true);
    assert.equal(isEchoReply(4, Buffer.concat([header, reply]), payload, true), true);
    assert.equal(isEchoReply(4, reply, Buffer.from('another'), false), false);
    for (let length = 0; length < reply.length; length++) {
      assert.equal(isEchoReply(4, reply.subarray(0, length), payload, false), false);
    }
  });
});

describe('DNS', () => {
  it('asks for the root’s servers, or the address of a name', () => {
    assert.equal(
      Buffer.from(dnsQuery(0x1234, '.')).toString('hex'),
      '123401000001000000000000' + '00' + '00020001',
    );
    const question = Buffer.from(dnsQuery(1, 'a.example.')).subarray(12);
    assert.equal(question.toString('hex'), '0161' + '076578616d706c65' + '00' + '00010001');
  });

  it('takes an answer to its own question only', () => {
    const query = dnsQuery(0x1234, 'a.example');
    const answer = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(query);
      bytes[2] = 0x81;
      change(bytes);
      return dnsAnswer(query, bytes);
    };
    assert.equal(
      answer(() => {}),
      'NOERROR',
    );
    assert.equal(
      answer((bytes) => (bytes[3] = 3)),
      'NXDOMAIN',
    );
    assert.equal(
      answer((bytes) => (bytes[3] = 11)),
      'rcode 11',
    );
    assert.equal(
      answer((bytes) => (bytes[1] = 0)),
      undefined,
      'id',
    );
    assert.equal(
      answer((bytes) => (bytes[13] = 98)),
      undefined,
      'question',
    );
    assert.equal(dnsAnswer(query, query), undefined, 'not an answer');
    const full = Buffer.from(query);
    full[2] = 0x81;
    for (let length = 0; length < full.length; length++) {
      assert.equal(dnsAnswer(query, full.subarray(0, length)), undefined, `${length}`);
    }
    const refused = full.subarray(0, 12);
    refused[3] = 5;
    refused[5] = 0;
    assert.equal(dnsAnswer(query, refused), 'REFUSED', 'without the question');
  });
});

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
