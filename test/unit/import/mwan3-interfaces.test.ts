import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '#wanmark/errors.js';
import { fromMwan3, section } from '../../helpers/imports.js';

const RULES = section("policy 'p'", 'use_member += m') + section("rule 'all'", 'use_policy p');

/** The WAN of an interface of mwan3 and its section in the network file; undefined where there is none. */
function wanOf(options: readonly string[], ...network: readonly string[]) {
  const text = section("interface 'x'", 'enabled 1', ...options);
  // A second one, so that there is something to import.
  const other = section("interface 'other'", 'enabled 1');
  const files = network.join('') + section("interface 'other'", 'device eth9', 'proto dhcp');
  const { wan, notes, lost } = fromMwan3(text + other + RULES, network.length === 0 ? undefined : files);
  return { wan: wan.find(({ name }) => name === 'x'), notes, lost };
}

describe('the WAN of an interface', () => {
  for (const [name, options, expected] of [
    ['DHCP', ['device eth1', 'proto dhcp'], { dev: 'eth1', via: 'auto' }],
    ['the old word for its device', ['ifname eth0.2', 'proto dhcp'], { dev: 'eth0.2', via: 'auto' }],
    [
      'a fixed gateway',
      ['device eth1', 'proto static', 'gateway 192.0.2.1'],
      { dev: 'eth1', via: '192.0.2.1' },
    ],
    ['PPPoE', ['device eth1', 'proto pppoe'], { dev: 'pppoe-x', via: 'dev' }],
    ['PPPoE by the name of its device', ['device pppoe-x', 'proto pppoe'], { dev: 'pppoe-x', via: 'dev' }],
    [
      'PPPoE with a name of its own',
      ['device eth1', 'proto pppoe', 'pppname ppp7'],
      { dev: 'ppp7', via: 'dev' },
    ],
    ['3G by a serial port', ['device /dev/ttyUSB0', 'proto 3g'], { dev: '3g-x', via: 'dev' }],
    ['3G', ['device wwan0', 'proto 3g'], { dev: 'wwan0', via: 'dev' }],
    ['QMI', ['device wwan0', 'proto qmi'], { dev: 'wwan0', via: 'auto' }],
    ['WireGuard', ['proto wireguard'], { dev: 'x', via: 'dev' }],
    [
      'a bridge of the old kind',
      ['type bridge', 'ifname eth1 eth2', 'proto dhcp'],
      { dev: 'br-x', via: 'auto' },
    ],
  ] as const) {
    it(`is right for ${name}`, () => {
      const { wan, lost } = wanOf([], section("interface 'x'", ...options));
      assert.deepEqual(wan, { name: 'x', ...expected });
      assert.deepEqual(lost, []);
    });
  }

  it('is right for an alias', () => {
    const alias = section("interface 'x'", 'device @y', 'proto dhcpv6');
    const { wan } = wanOf(['family ipv6'], alias, section("interface 'y'", 'device eth1', 'proto pppoe'));
    assert.deepEqual(wan, { name: 'x', dev: 'pppoe-y', via6: 'dev' });
    const circle = wanOf([], section("interface 'x'", 'device @y'), section("interface 'y'", 'device @x'));
    assert.match(circle.lost.join(), /^1: the device of x is not known/);
  });

  it('has no gateway where a static address is on a tunnel', () => {
    const address = section("interface 'x'", 'device wg1', 'proto static', 'gateway 10.0.1.1');
    const { wan } = wanOf([], address, section("interface 'wg1'", 'proto wireguard'));
    assert.deepEqual(wan, { name: 'x', dev: 'wg1', via: 'dev' });
  });

  it('has the gateway of its family', () => {
    const address = section(
      "interface 'x'",
      'device eth1',
      'proto static',
      'gateway 192.0.2.1',
      'ip6gw fe80::1',
    );
    assert.deepEqual(wanOf(['family ipv6'], address).wan, { name: 'x', dev: 'eth1', via6: 'fe80::1' });
    assert.deepEqual(wanOf([], address).wan, { name: 'x', dev: 'eth1', via: '192.0.2.1' });
  });

  it('has a likely device, and a word that it is no more, for a modem by its control port', () => {
    const { wan, lost } = wanOf([], section("interface 'x'", 'device /dev/cdc-wdm0', 'proto qmi'));
    assert.deepEqual(wan, { name: 'x', dev: 'wwan0', via: 'auto' });
    assert.match(lost.join(), /^1: the device of x is not known; put it in the place of dev: wwan0$/);
  });

  it('has the name in place of the device where the network is not given', () => {
    const { wan, lost } = wanOf([]);
    assert.deepEqual(wan, { name: 'x', dev: 'x', via: 'auto' });
    assert.match(lost[0]!, /^1: the device of x is not known; .* add --network/);
  });

  it('is left out where the network does not have the interface, or it is not enabled', () => {
    const missing = wanOf([], section("interface 'xy'", 'device eth1', 'proto dhcp'));
    assert.equal(missing.wan, undefined);
    assert.match(missing.notes.join(), /1: the network has no interface x,.* did you mean "xy"\?/);
    for (const enabled of ['enabled 0', 'family ipv4']) {
      const { wan, notes } = wanOf([enabled === 'family ipv4' ? 'enabled 0' : enabled]);
      assert.equal(wan, undefined);
      assert.match(notes.join(), /2?3?: interface x is not enabled/);
    }
  });

  it('starts down with initial_state offline, if somebody looks at it', () => {
    assert.equal(wanOf(['initial_state offline', 'track_ip += 192.0.2.1']).wan?.initial, 'down');
    for (const unseen of [[], ['track_ip += 0.0.0.0']])
      assert.equal(wanOf(['initial_state offline', ...unseen]).wan?.initial, undefined);
    assert.equal(wanOf(['initial_state online', 'track_ip += 192.0.2.1']).wan?.initial, undefined);
  });

  it('is not there where no interface is enabled', () => {
    assert.throws(
      () => fromMwan3(section("interface 'x'") + RULES),
      (error) => error instanceof UsageError && /no interface that is enabled/.test(error.message),
    );
  });
});
