import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatAddress } from '#wanmark/core/address.js';
import { decodePacket, hexDump } from '#wanmark/core/packet.js';

// A SYN 192.168.1.10:40000 -> 203.0.113.1:80, TTL 64, DSCP 10, DF, with the MSS option.
const TCP4 =
  '4528002c1234400040060000c0a8010acb007101' + '9c40005000000001000000006002faf000000000' + '020405b4';
// A DNS query's start over IPv6, hop limit 63, flow label 0xabcde.
const UDP6 =
  '600abcde001e113f' +
  '20010db8000000000000000000000001' +
  '20010db8000000010000000000000002' +
  'd4310035001e0000';
const ICMP4 = '45000054000040003f010000c0a8010acb007101' + '0800f7ff00010001';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

describe('decodePacket', () => {
  it('reads IPv4 and TCP', () => {
    assert.deepEqual(decodePacket(bytes(TCP4), 6), {
      version: 4,
      dscp: 10,
      length: 44,
      id: 0x1234,
      flags: 'DF',
      ttl: 64,
      protocol: 'tcp',
      tcpFlags: 'SYN',
      seq: 1,
      ack: 0,
      window: 64240,
    });
  });

  it('reads IPv6 and UDP', () => {
    assert.deepEqual(decodePacket(bytes(UDP6), 17), {
      version: 6,
      trafficClass: 0,
      flowLabel: 0xabcde,
      payloadLength: 30,
      nextHeader: 'udp',
      hopLimit: 63,
      udpLength: 30,
    });
  });

  it('reads ICMP', () => {
    const { icmpType, icmpCode } = decodePacket(bytes(ICMP4), 1);
    assert.deepEqual([icmpType, icmpCode], [8, 0]);
  });

  it('survives every truncation and says less', () => {
    for (const [packet, proto] of [
      [TCP4, 6],
      [UDP6, 17],
      [ICMP4, 1],
    ] as const) {
      const whole = decodePacket(bytes(packet), proto);
      for (let length = 0; length < packet.length / 2; length++) {
        const part = decodePacket(bytes(packet).subarray(0, length), proto);
        for (const [key, value] of Object.entries(part)) {
          if (key !== 'version') assert.equal(value, whole[key], `${key} at length ${length}`);
        }
      }
      assert.deepEqual(decodePacket(new Uint8Array(0), proto), { version: 0 });
    }
  });

  it('dumps hex that reads back', () => {
    assert.equal(hexDump(bytes(TCP4)), TCP4);
  });
});

describe('formatAddress', () => {
  for (const [text, groups] of [
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::1', '20010db8000000000000000000000001'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['2001:0:0:1::1', '20010000000000010000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['fe80::abcd:ef01:2345:6789', 'fe80000000000000abcdef0123456789'],
  ] as const) {
    it(`writes ${text} as RFC 5952 has it`, () => {
      assert.equal(formatAddress(bytes(`ffff${groups}`), 2, 6), text);
    });
  }

  it('writes IPv4', () => {
    assert.equal(formatAddress(bytes('00c0a8010a'), 1, 4), '192.168.1.10');
  });
});
