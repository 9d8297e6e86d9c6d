import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dnsAnswer, dnsQuery } from '#wanmark/wan/check/dns-message.js';

describe('a message of DNS', () => {
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
