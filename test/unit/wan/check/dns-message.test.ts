import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dnsAddresses, dnsAnswer, dnsQuery, TYPE } from '#wanmark/wan/check/dns-message.js';

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

  it('has addresses of a family, also those of an alias, and leaves out what is cut off', () => {
    const query = dnsQuery(1, 'a.example', TYPE.AAAA);
    assert.equal(Buffer.from(query).toString('hex').slice(-8), '001c0001');
    const record = (name: string, type: string, data: string) =>
      `${name}${type}0001${'0000003c'}${(data.length / 2).toString(16).padStart(4, '0')}${data}`;
    const records = [
      record('c00c', '0005', '0162c00e'),
      record('0162c00e', '0001', 'c0000201'),
      record('c00c', '001c', `20010db8${'0'.repeat(22)}05`),
      record('00', '0001', 'c0000202'),
    ].join('');
    const message = Buffer.from(`${Buffer.from(query).toString('hex')}${records}`, 'hex');
    message[7] = 4;
    assert.deepEqual(dnsAddresses(query, message, 4), ['192.0.2.1', '192.0.2.2']);
    assert.deepEqual(dnsAddresses(query, message, 6), ['2001:db8::5']);
    assert.deepEqual(dnsAddresses(query, message.subarray(0, -1), 4), ['192.0.2.1']);
    for (let length = query.length; length < message.length; length++)
      assert.ok(dnsAddresses(query, message.subarray(0, length), 4).length < 2, `${length}`);
  });
});
