import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checksum, echoRequest, isEchoReply } from '#wanmark/wan/check/icmp.js';

describe('ICMP echo', () => {
  const payload = Buffer.from('0123456789abcdef');

  it('has a good checksum in a request for IPv4, and leaves it to the kernel for IPv6', () => {
    const four = echoRequest(4, 0x1234, payload);
    assert.deepEqual([four[0], four[1], four[4], four[5]], [8, 0, 0x12, 0x34]);
    assert.equal(checksum(four), 0);
    const six = echoRequest(6, 1, payload);
    assert.deepEqual([six[0], six[2], six[3]], [128, 0, 0]);
    assert.equal(checksum(Buffer.from([1])), 0xfeff);
  });

  it('is known as a reply by its payload, with or without the IP header', () => {
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
