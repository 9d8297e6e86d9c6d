import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { formatAddress, parseAddress } from '#wanmark/core/address.js';
import { Pool } from '#wanmark/core/pool.js';
import { backendMember } from '#wanmark/core/service.js';
import { States } from '#wanmark/core/states.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { Decider, type DecisionListener, NO_INBOUND } from '#wanmark/daemon/decider.js';
import { type DeviceAddresses, findByService } from '#wanmark/daemon/service-pools.js';
import { emptyBatch } from '../flows.js';

const TCP = 6;
const UDP = 17;

const NO_DEVICES = { now: () => 0, read: () => () => assert.fail('no service listens on a device') };

function decider(
  service: string[],
  backend: string[],
  listener: DecisionListener = () => undefined,
  addresses: DeviceAddresses = NO_DEVICES,
) {
  const { services, fields } = parseConfig({ service, backend });
  const pools = services.map((one) => {
    const strategy = STRATEGIES.get('round-robin')!({
      random: Math.random,
      now: () => 0,
      connections: () => 0,
    });
    const members = one.backends.map((each) => backendMember(one, each));
    const pool = new Pool({
      name: one.name,
      members,
      strategy: { name: 'round-robin', strategy },
      states: new States(members.map(({ target }) => target)),
      onFault: assert.fail,
    });
    return { service: one, pool };
  });
  return {
    pools,
    decider: new Decider(findByService(pools, addresses), fields.backends, NO_INBOUND, listener),
  };
}

/** Packets as [destination, protocol, port]. */
function batchOf(packets: [string, number, number][]) {
  const batch = emptyBatch(packets.length);
  packets.forEach(([dst, proto, port], i) => {
    batch.family[i] = dst.includes(':') ? 6 : 4;
    batch.dst.set(parseAddress(dst), 16 * i);
    batch.proto[i] = proto;
    batch.dport[i] = port;
  });
  return batch;
}

describe('the pools of services', () => {
  it('finds the service by family, address, protocol and port, and leaves the rest to the kernel', () => {
    const { decider: subject } = decider(
      [
        'web,listen=192.0.2.1:80/tcp',
        'dns,listen=192.0.2.1:53/udp',
        'range,listen=192.0.2.1:8000-8010/tcp',
        'any,listen=192.0.2.2/any',
        'six,listen=[2001:db8::1]:80/tcp',
      ],
      ['web,to=10.0.0.1', 'dns,to=10.0.0.1', 'range,to=10.0.0.1', 'any,to=10.0.0.1', 'six,to=fd00::1'],
    );
    const batch = batchOf([
      ['192.0.2.1', TCP, 80],
      ['192.0.2.1', UDP, 53],
      ['192.0.2.1', TCP, 8000],
      ['192.0.2.1', TCP, 8010],
      ['192.0.2.2', 1, 8 << 8],
      ['2001:db8::1', TCP, 80],
      ['192.0.2.1', UDP, 80],
      ['192.0.2.1', TCP, 7999],
      ['192.0.2.1', TCP, 8011],
      ['192.0.2.3', TCP, 80],
      ['2001:db8::2', TCP, 80],
    ]);
    subject.decide(batch, 11);
    assert.deepEqual(
      [...batch.marks].map((mark) => mark >> 8),
      [1, 2, 3, 3, 4, 5, 0, 0, 0, 0, 0],
    );
  });

  it('follows the addresses of a device, and prefers a service with the very address', () => {
    let now = 0;
    const own: Record<string, string[]> = { 'wan1 4': ['192.0.2.1', '192.0.2.2'], 'wan1 6': ['2001:db8::1'] };
    let reads = 0;
    const read = () => {
      reads++;
      return (device: string, family: number) => own[`${device} ${family}`] ?? [];
    };
    const { decider: subject } = decider(
      [
        'any,listen=dev:wan1/any',
        'one,listen=192.0.2.2:80/tcp',
        'six,listen=dev:wan1:80/tcp',
        'two,listen=dev:wan2:80/tcp',
      ],
      ['any,to=10.0.0.1', 'one,to=10.0.0.1', 'six,to=fd00::1', 'two,to=10.0.0.1'],
      undefined,
      { now: () => now, read },
    );
    const marksOf = (...addresses: string[]) => {
      const batch = batchOf(addresses.map((address) => [address, TCP, 80]));
      subject.decide(batch, addresses.length);
      return [...batch.marks].map((mark) => mark >> 8);
    };
    assert.deepEqual(marksOf('192.0.2.1', '192.0.2.2', '2001:db8::1', '192.0.2.3'), [1, 2, 3, 0]);
    own['wan1 4'] = ['192.0.2.3'];
    own['wan2 4'] = ['192.0.2.1'];
    assert.deepEqual(marksOf('192.0.2.3'), [0], 'the kernel decides until the addresses are read again');
    now = 1001;
    assert.deepEqual(marksOf('192.0.2.3', '192.0.2.1', '192.0.2.2'), [1, 4, 2]);
    assert.equal(reads, 2);
  });

  it('takes turns in each service separately, counts, and tells the listener', () => {
    const heard: string[] = [];
    const { pools, decider: subject } = decider(
      ['a,listen=192.0.2.1:1/tcp', 'b,listen=192.0.2.1:2/tcp'],
      ['a,to=10.0.0.1', 'a,to=10.0.0.2', 'b,to=10.0.0.1', 'b,to=10.0.0.2,weight=0'],
      (pool, { candidate, target }, flow) => {
        assert.equal(target.name, `${pool.name}/${candidate.name}`);
        heard.push(`${pool.name} ${candidate.name} ${flow.dst} ${flow.dport}`);
      },
    );
    const batch = batchOf([1, 2, 1, 2, 1].map((port) => ['192.0.2.1', TCP, port]));
    subject.decide(batch, 4);
    assert.deepEqual(
      [...batch.marks].map((mark) => mark >> 8),
      [1, 3, 2, 3, 0],
    );
    assert.deepEqual(
      pools.flatMap(({ pool }) => pool.members.map(({ picks }) => picks)),
      [1, 1, 2, 0],
    );
    assert.deepEqual(heard, [
      'a 10.0.0.1 192.0.2.1 1',
      'b 10.0.0.1 192.0.2.1 2',
      'a 10.0.0.2 192.0.2.1 1',
      'b 10.0.0.1 192.0.2.1 2',
    ]);
  });
});

describe('parseAddress', () => {
  for (const text of [
    '0.0.0.0',
    '192.0.2.255',
    '::',
    '::1',
    '2001:db8::',
    '2001:db8::8:1',
    '1:2:3:4:5:6:7:8',
    'fe80::abcd:ef01',
  ]) {
    it(`undoes formatAddress: ${text}`, () => {
      const bytes = parseAddress(text);
      assert.equal(bytes.length, text.includes(':') ? 16 : 4);
      assert.equal(formatAddress(bytes, 0, text.includes(':') ? 6 : 4), text);
    });
  }

  it('reads a dotted quad at the end of an IPv6 address', () => {
    assert.equal(formatAddress(parseAddress('64:ff9b::192.0.2.33'), 0, 6), '64:ff9b::c000:221');
  });
});
