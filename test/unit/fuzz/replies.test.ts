/** What comes back to probes from anywhere: whatever it is, it is an answer or none. */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import { quotedTuple } from '#wanmark/core/icmp-error.js';
import { decodePacket } from '#wanmark/core/packet.js';
import { dnsAddresses, dnsAnswer, dnsQuery } from '#wanmark/wan/check/dns-message.js';
import { echoRequest, isEchoReply } from '#wanmark/wan/check/icmp.js';
import { fuzz } from '../../helpers/fuzz.js';

const FAMILIES = [4, 6] as const;

/** An IP header of the family, with a payload of that protocol. */
function packet(family: 4 | 6, proto: number, payload: Uint8Array): Uint8Array {
  const head = new Uint8Array(family === 4 ? 20 : 40);
  head[0] = family === 4 ? 0x45 : 0x60;
  head[family === 4 ? 9 : 6] = proto;
  return Buffer.concat([head, payload]);
}

describe('replies', () => {
  it('of DNS servers', async () => {
    await fuzz((draw) => {
      const query = dnsQuery(draw.below(0x10000), draw.pick(['.', 'example.net', 'a.b.c.example']));
      const reply = Buffer.from(query);
      reply[2]! |= 0x80;
      const mutated = draw.mutated(Buffer.concat([reply, draw.bytes(draw.below(80))]));
      const words = dnsAnswer(query, mutated);
      if (words !== undefined)
        for (const family of FAMILIES)
          for (const address of dnsAddresses(query, mutated, family)) assert.equal(isIP(address), family);
      assert.ok(words === undefined || /^[A-Z]+$|^rcode \d+$/.test(words), words);
      assert.equal(dnsAnswer(query, reply), 'NOERROR', 'a good one is one');
      // One without an end is none, though it says what is wrong with the name.
      reply[3] = draw.below(16);
      assert.equal(dnsAnswer(query, reply.subarray(0, draw.below(12))), undefined);
    });
  });

  it('of hosts to pings', async () => {
    await fuzz((draw) => {
      const family = draw.pick(FAMILIES);
      const payload = draw.bytes(56);
      const request = echoRequest(family, draw.below(0x10000), payload);
      const withHeader = draw.below(2) === 1;
      const given = draw.mutated(withHeader && family === 4 ? packet(4, 1, request) : request);
      assert.equal(typeof isEchoReply(family, given, payload, withHeader), 'boolean');
      // Only who has seen the payload can answer.
      assert.ok(!isEchoReply(family, draw.mutated(request), draw.bytes(56), withHeader));
    });
  });

  it('of routers that know no way', async () => {
    await fuzz((draw) => {
      const family = draw.pick(FAMILIES);
      const inner = packet(family, draw.pick([6, 17, 1, 44]), draw.bytes(8));
      const error = Buffer.concat([draw.bytes(8), inner]);
      const given = draw.mutated(packet(family, family === 4 ? 1 : 58, error));
      const tuple = quotedTuple(given);
      if (tuple !== undefined) assert.ok(isPort(tuple.sport) && isPort(tuple.dport));
      // The log decodes any packet, too.
      decodePacket(given, draw.pick([1, 6, 17, 58, 200]));
    });
  });
});

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 0xffff;
}
