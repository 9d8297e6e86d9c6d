import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddresses } from '#wanmark/system/rtnetlink/addresses.js';
import {
  attribute,
  forEachAttribute,
  numberValue,
  readNumber,
} from '#wanmark/system/rtnetlink/attributes.js';
import { parseLinks } from '#wanmark/system/rtnetlink/links.js';
import { parseNeighbours, parseSilentNeighbours } from '#wanmark/system/rtnetlink/neighbours.js';
import { ADDRESSES4, ADDRESSES6, LINKS, NEIGHBOURS4 } from './dumps.js';
import { parseDamaged } from './truncation.js';

describe('attributes', () => {
  it('are read as they are written', () => {
    const bytes = Buffer.concat([
      attribute(4, numberValue(0xfffffffe)),
      attribute(5, Uint8Array.of(1)),
      attribute(6, numberValue(7)),
    ]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const seen: number[][] = [];
    forEachAttribute(view, 0, bytes.length, (type, _, start, end) => {
      seen.push([type, end - start, readNumber(view, start, end)]);
    });
    assert.deepEqual(seen, [
      [4, 4, 0xfffffffe],
      // This value is too short for a number.
      [5, 1, 0],
      [6, 4, 7],
    ]);
  });
});

/**
 * RTM_NEWLINK (16) with a struct ifinfomsg, IFLA_IFNAME (3), and IFLA_LINKINFO (18) with IFLA_INFO_KIND (1) and
 * IFLA_INFO_DATA (2).
 */
function newLink(name: string, kind: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = (string: string) => Buffer.from(`${string}\0`);
  const info = Buffer.concat([attribute(1, text(kind)), attribute(2, data)]);
  const body = Buffer.concat([new Uint8Array(16), attribute(3, text(name)), attribute(18, info)]);
  return message(body);
}

/** A message RTM_NEWLINK (16). */
function message(body: Uint8Array): Uint8Array {
  const header = Buffer.alloc(16);
  new Uint32Array(header.buffer, header.byteOffset, 1)[0] = header.length + body.length;
  new Uint16Array(header.buffer, header.byteOffset, 3)[2] = 16;
  return Buffer.concat([header, body]);
}

describe('parseLinks', () => {
  it('reads names, numbers and flags', () => {
    assert.deepEqual(
      parseLinks(LINKS).map(({ name, index, flags }) => [name, index, flags & 0x1001]),
      [
        ['lo', 1, 0x1],
        ['g1', 2, 0x1001],
        ['w1', 3, 0x1001],
      ],
    );
  });

  it('tells at which devices IPsec ends', () => {
    for (const [kind, ends] of [
      ['xfrm', true],
      ['vti6', true],
      ['veth', undefined],
    ] as const) {
      const [link] = parseLinks(newLink('dev0', kind));
      assert.deepEqual([link?.name, link?.ipsec], ['dev0', ends], kind);
    }
  });

  it('knows tunnels, and the far end of those that have one', () => {
    const host = Uint8Array.of(203, 0, 113, 9);
    const six = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9);
    const tunnel = (kind: string, ...data: Uint8Array[]) =>
      parseLinks(newLink('dev0', kind, Buffer.concat(data)))[0]?.tunnel;
    assert.deepEqual(tunnel('gre', attribute(6, Uint8Array.of(192, 0, 2, 1)), attribute(7, host)), {
      kind: 'gre',
      remote: '203.0.113.9',
    });
    assert.deepEqual(tunnel('ipip', attribute(3, host)), { kind: 'ipip', remote: '203.0.113.9' });
    assert.deepEqual(tunnel('vxlan', attribute(16, six)), { kind: 'vxlan', remote: '2001:db8::9' });
    assert.deepEqual(tunnel('vxlan', attribute(2, Uint8Array.of(239, 1, 1, 1))), { kind: 'vxlan' });
    assert.deepEqual(tunnel('ipip', attribute(3, new Uint8Array(4))), { kind: 'ipip' });
    assert.deepEqual(tunnel('wireguard'), { kind: 'wireguard' });
    assert.deepEqual(tunnel('tun', attribute(3, Uint8Array.of(1))), { kind: 'tun' });
    assert.equal(tunnel('tun', attribute(3, Uint8Array.of(2))), undefined, 'TAP');
    assert.equal(tunnel('veth', attribute(2, host)), undefined);
    const whole = newLink('dev0', 'tun', attribute(3, Uint8Array.of(1)));
    parseDamaged(whole, parseLinks);
  });

  it('tells an Ethernet device without a kind and without hardware, as those of L2TP are', () => {
    /** A device of an ARPHRD_* number, with IFLA_IFNAME (3) and such as IFLA_PARENT_DEV_NAME (56). */
    const plain = (type: number, ...more: Uint8Array[]) => {
      const info = new Uint8Array(16);
      info[2] = type;
      const body = Buffer.concat([info, attribute(3, Buffer.from('dev0\0')), ...more]);
      return parseLinks(message(body))[0]?.unexplained;
    };
    assert.equal(plain(1), true);
    assert.equal(plain(1, attribute(56, Buffer.from('0000:00:03.0\0'))), undefined, 'hardware');
    assert.equal(plain(1, attribute(18, attribute(1, Buffer.from('vlan\0')))), undefined, 'of a kind');
    assert.equal(plain(0), undefined, 'no Ethernet');
  });

  it('reads nothing beyond a dump that breaks off, or is damaged', () => parseDamaged(LINKS, parseLinks));
});

describe('parseAddresses', () => {
  it('reads IPv4 addresses, with the far end of a point-to-point one', () => {
    const common = { family: 4, index: 3, scope: 0, peer: undefined, deprecated: false, temporary: false };
    assert.deepEqual(parseAddresses(ADDRESSES4), [
      { ...common, index: 1, scope: 254, local: '127.0.0.1', prefixLength: 8 },
      { ...common, scope: 253, local: '10.8.0.1', prefixLength: 24 },
      { ...common, local: '192.0.2.2', prefixLength: 24 },
      { ...common, local: '10.7.0.1', peer: '10.7.0.2', prefixLength: 32 },
    ]);
  });

  it('reads IPv6 addresses, which have no IFA_LOCAL without a far end', () => {
    const common = { family: 6, index: 3, scope: 0, peer: undefined, deprecated: false, temporary: false };
    assert.deepEqual(parseAddresses(ADDRESSES6), [
      { ...common, index: 1, scope: 254, local: '::1', prefixLength: 128 },
      { ...common, local: 'fd00::1', peer: 'fd00::2', prefixLength: 128 },
      { ...common, local: '2001:db8::2', prefixLength: 64 },
    ]);
  });

  it('reads nothing beyond a dump that breaks off, or is damaged', () => {
    parseDamaged(ADDRESSES4, parseAddresses);
    parseDamaged(ADDRESSES6, parseAddresses);
  });
});

describe('parseNeighbours', () => {
  it('reads the known neighbours, and none that need no resolving', () => {
    assert.deepEqual(parseNeighbours(NEIGHBOURS4, 4), [
      { index: 3, address: '192.0.2.1', mac: '02:00:00:00:00:aa' },
    ]);
    assert.deepEqual(parseNeighbours(NEIGHBOURS4, 6), []);
  });

  it('reads nothing beyond a dump that breaks off, or is damaged', () =>
    parseDamaged(NEIGHBOURS4, (messages) => parseNeighbours(messages, 4)));
});

describe('parseSilentNeighbours', () => {
  /** The dump with another state in each message: struct ndmsg follows the header of 16 bytes, and has it at 8. */
  const inState = (state: number) => {
    const messages = NEIGHBOURS4.slice();
    const view = new DataView(messages.buffer);
    for (let at = 0; at < messages.length; at += view.getUint32(at, true)) {
      view.setUint16(at + 16 + 8, state, true);
    }
    return messages;
  };

  it('reads those that the kernel asks without an answer, or has given up', () => {
    const addresses = parseSilentNeighbours(inState(0x20), 4).map(({ index, address }) => [index, address]);
    assert.ok(addresses.some(([index, address]) => index === 3 && address === '192.0.2.1'));
    assert.deepEqual(parseSilentNeighbours(inState(0x01), 4).length, addresses.length);
    assert.deepEqual(parseSilentNeighbours(inState(0x20), 6), []);
  });

  it('reads none that answers, is asked in between (stale, delay, probe), or needs no resolving', () => {
    for (const state of [0x02, 0x04, 0x08, 0x10, 0x40, 0x80]) {
      assert.deepEqual(parseSilentNeighbours(inState(state), 4), [], `${state}`);
    }
  });

  it('reads nothing beyond a dump that breaks off, or is damaged', () =>
    parseDamaged(inState(0x20), (messages) => parseSilentNeighbours(messages, 4)));
});
