import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress } from '#wanmark/core/address.js';
import { isUnreachable, quotedTuple } from '#wanmark/core/icmp-error.js';

const ICMP = 1;
const ICMPV6 = 58;
const TCP = 6;
const UDP = 17;
const CLIENT = { 4: '10.0.0.2', 6: '2001:db8::2' } as const;
const SERVER = { 4: '203.0.113.1', 6: '2001:db8:f::1' } as const;
/** Ports 40000 and 443, and the four bytes that a router quotes at least. */
const PORTS = [0x9c, 0x40, 0x01, 0xbb, 1, 2, 3, 4];
const UNREACHABLE = [3, 0, 0, 0, 0, 0, 0, 0];

interface Options {
  /** A multiple of four bytes. */
  readonly options?: number;
  /** The offset of a fragment in units of eight bytes. */
  readonly fragment?: number;
}

function ipv4(
  proto: number,
  payload: readonly number[],
  { options = 0, fragment = 0 }: Options = {},
): number[] {
  const head = [0x45 + options / 4, 0, 0, 0, 0, 0, 0, fragment, 64, proto, 0, 0];
  const padding = new Array<number>(options).fill(1);
  return [...head, ...parseAddress(CLIENT[4]), ...parseAddress(SERVER[4]), ...padding, ...payload];
}

function ipv6(next: number, payload: readonly number[]): number[] {
  return [0x60, 0, 0, 0, 0, 0, next, 64, ...parseAddress(CLIENT[6]), ...parseAddress(SERVER[6]), ...payload];
}

const error4 = (inner: readonly number[], options?: Options) =>
  Uint8Array.from(ipv4(ICMP, [...UNREACHABLE, ...inner], options));
const error6 = (inner: readonly number[]) => Uint8Array.from(ipv6(ICMPV6, [...UNREACHABLE, ...inner]));

const tuple = (family: 4 | 6, proto = TCP) => ({
  family,
  proto,
  src: CLIENT[family],
  dst: SERVER[family],
  sport: 40000,
  dport: 443,
});

describe('isUnreachable', () => {
  it('knows net and host unreachable, and no other error', () => {
    const kinds = [0x300, 0x301, 0x302, 0x303, 0x100, 0x101, 0x103, 0x104, 0xb00, 0];
    const of = (proto: number) => kinds.filter((kind) => isUnreachable(proto, kind));
    assert.deepEqual(of(ICMP), [0x300, 0x301]);
    assert.deepEqual(of(ICMPV6), [0x100, 0x103]);
    assert.deepEqual(of(TCP), []);
  });
});

describe('quotedTuple', () => {
  it('finds the quoted packet behind options of both headers', () => {
    for (const proto of [TCP, UDP, 33, 132, 136]) {
      assert.deepEqual(quotedTuple(error4(ipv4(proto, PORTS))), tuple(4, proto));
      assert.deepEqual(quotedTuple(error6(ipv6(proto, PORTS))), tuple(6, proto));
    }
    const inner = ipv4(TCP, PORTS, { options: 40 });
    assert.deepEqual(quotedTuple(error4(inner, { options: 8 })), tuple(4));
  });

  it('follows the extension headers of IPv6, outside and inside', () => {
    const destination = (next: number) => [next, 0, 0, 0, 0, 0, 0, 0];
    const authentication = (next: number) => [next, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const fragment = (next: number, offset: number) => [next, 0, 0, offset * 8, 0, 0, 0, 0];
    const inner = ipv6(44, [...fragment(51, 0), ...authentication(UDP), ...PORTS]);
    const outer = Uint8Array.from(ipv6(60, [...destination(ICMPV6), ...UNREACHABLE, ...inner]));
    assert.deepEqual(quotedTuple(outer), tuple(6, UDP));
    assert.equal(quotedTuple(error6(ipv6(44, [...fragment(UDP, 1), ...PORTS]))), undefined);
  });

  it('is undefined where there are no ports to find', () => {
    for (const [what, bytes] of Object.entries({
      'an echo request': error4(ipv4(ICMP, PORTS)),
      GRE: error4(ipv4(47, PORTS)),
      'a later fragment': error4(ipv4(TCP, PORTS, { fragment: 1 })),
      'a later fragment of the error': error4(ipv4(TCP, PORTS), { fragment: 1 }),
      'another version inside': error4(ipv6(TCP, PORTS)),
      'a header that is too short': error4([0x44, ...ipv4(TCP, PORTS).slice(1)]),
      'no error at all': Uint8Array.from(ipv4(TCP, PORTS)),
      'ICMP in IPv6': Uint8Array.from(ipv6(ICMP, [...UNREACHABLE, ...ipv6(TCP, PORTS)])),
    })) {
      assert.equal(quotedTuple(bytes), undefined, what);
    }
  });

  it('needs no byte after the ports, and says nothing when one of them is missing', () => {
    const wholes = [
      [error4(ipv4(TCP, PORTS, { options: 4 })), tuple(4)],
      [error6(ipv6(0, [TCP, 0, 0, 0, 0, 0, 0, 0, ...PORTS])), tuple(6)],
    ] as const;
    for (const [bytes, expected] of wholes) {
      const needed = bytes.length - 4;
      for (let size = 0; size <= bytes.length; size++) {
        const found = quotedTuple(bytes.subarray(0, size));
        assert.deepEqual(found, size < needed ? undefined : expected, `${size} bytes`);
      }
    }
  });

  it('ends for any bytes', () => {
    let state = 1;
    const next = () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 24;
    };
    for (let round = 0; round < 5000; round++) {
      const bytes = (round % 2 === 0 ? error4(ipv4(TCP, PORTS)) : error6(ipv6(0, PORTS))).slice();
      for (let i = 0; i < 6; i++) bytes[next() % bytes.length] = next();
      quotedTuple(bytes.subarray(0, next() % (bytes.length + 1)));
    }
  });
});
