/** The state of a WAN according to the facts: its gateway, and whether it can be used. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { type Facts, type MainRoute, NO_REDIRECTIONS } from '#wanmark/plan/facts.js';
import { defaultDevices, uplinksOf } from '#wanmark/plan/uplink.js';

const NOTHING: Facts = {
  devices: new Map([
    ['eth1', { index: 2, up: true, pointToPoint: false, ethernet: true }],
    ['ppp0', { index: 3, up: true, pointToPoint: true, ethernet: false }],
    ['off', { index: 4, up: false, pointToPoint: false, ethernet: true }],
  ]),
  main: { 4: [], 6: [] },
  rules: { 4: [], 6: [] },
  addresses: { 4: [], 6: [] },
  onLink: new Set(),
  macs: new Map(),
  networks: new Map(),
  redirections: NO_REDIRECTIONS,
  strict: new Set(),
};

const byWay = (dev: string, via: string | undefined, metric = 0, unusable = false): MainRoute => ({
  dst: 'default',
  isThrow: false,
  metric,
  ways: [{ dev, via, unusable }],
});

/** The first WAN of a list, in IPv4. */
function uplink(wan: string | string[], facts: Partial<Facts> = {}) {
  return uplinksOf(parseConfig({ wan: [wan].flat() }).wans, 4, { ...NOTHING, ...facts })[0]!;
}

const withRoutes = (...routes: MainRoute[]) => ({ main: { 4: routes, 6: [] } });

describe('via=auto', () => {
  it("is the gateway of the main table's best default route by the device, and such a gateway is right", () => {
    const facts = withRoutes(
      byWay('eth2', '198.51.100.1'),
      byWay('eth1', '192.0.2.3', 50, true),
      byWay('eth1', '192.0.2.1', 100),
      byWay('eth1', '192.0.2.2', 200),
    );
    const { via, onlink, unusable } = uplink('a,dev=eth1,via=auto', facts);
    assert.deepEqual({ via, onlink, unusable }, { via: '192.0.2.1', onlink: true, unusable: undefined });
  });

  it('needs no gateway where the main table has none, and on a point-to-point device with an address', () => {
    assert.equal(uplink('a,dev=eth1,via=auto', withRoutes(byWay('eth1', undefined))).via, 'dev');
    const addresses = { 4: [{ dev: 'ppp0', address: '203.0.113.7/32' }], 6: [] };
    assert.equal(uplink('a,dev=ppp0,via=auto', { addresses }).via, 'dev');
    assert.match(
      uplink('a,dev=ppp0,via=auto').unusable!.why,
      /the main table has no IPv4 default route by ppp0/,
    );
    assert.equal(
      uplink('a,dev=eth1,via=auto', { addresses: { 4: [{ dev: 'eth1', address: '192.0.2.2/24' }], 6: [] } })
        .unusable?.mistake,
      false,
    );
  });
});

describe('a WAN', () => {
  it('cannot be used while its device is missing or switched off', () => {
    assert.match(
      uplink('a,dev=eth9,via=dev').unusable!.why,
      /^WAN a: there is no device eth9; see 'ip link'$/,
    );
    assert.match(uplink('a,dev=off,via=dev').unusable!.why, /^WAN a: off is down; ip link set off up$/);
  });

  it('has its gateway on the network of its device; with another one it is left out, whose fault that may be', () => {
    const onLink = new Set(['eth1 192.0.2.1']);
    assert.equal(uplink('a,dev=eth1,via=192.0.2.1', { onLink }).unusable, undefined);
    assert.equal(uplink('a,dev=eth1,via=192.0.2.9', { onLink }).unusable?.mistake, false);
    const addresses = { 4: [{ dev: 'eth1', address: '192.0.2.2/24' }], 6: [] };
    const wrong = uplink('a,dev=eth1,via=198.51.100.1', { onLink, addresses }).unusable!;
    assert.equal(wrong.mistake, false);
    assert.match(wrong.why, /gateway 198\.51\.100\.1 is not on the network of eth1/);
  });

  it('may have a gateway elsewhere that the main table itself uses by its device', () => {
    const far = (facts: Partial<Facts>) => {
      const { onlink, unusable } = uplink('a,dev=eth1,via=198.51.100.1', facts);
      return [onlink, unusable === undefined];
    };
    assert.deepEqual(far(withRoutes(byWay('eth1', '198.51.100.1'))), [true, true]);
    assert.deepEqual(far(withRoutes(byWay('eth2', '198.51.100.1'))), [false, false]);
    assert.deepEqual(far(withRoutes(byWay('eth1', '198.51.100.2'))), [false, false]);
    assert.deepEqual(far(withRoutes(byWay('eth1', '198.51.100.1', 0, true))), [false, false]);
    const onLink = new Set(['eth1 198.51.100.1']);
    assert.deepEqual(far({ ...withRoutes(byWay('eth1', '198.51.100.1')), onLink }), [false, true]);
    const six = { main: { 4: [], 6: [byWay('eth1', '2001:db8::1')] } };
    const [uplink6] = uplinksOf(parseConfig({ wan: ['a,dev=eth1,via6=2001:DB8:0::1'] }).wans, 6, {
      ...NOTHING,
      ...six,
    });
    assert.equal(uplink6!.unusable, undefined);
  });

  it('needs a gateway on Ethernet, unless somebody says that it does not', () => {
    const wrong = uplink('a,dev=eth1').unusable!;
    assert.equal(wrong.mistake, true);
    assert.match(wrong.why, /^WAN a: eth1 is an Ethernet device, which needs a gateway; add via=GATEWAY/);
    assert.equal(uplink('a,dev=eth1,via=dev').unusable, undefined);
    assert.equal(uplink('a,dev=ppp0').unusable, undefined);
    assert.equal(uplink('a,dev=eth1', withRoutes(byWay('eth1', undefined))).unusable, undefined);
  });

  it('shares a device only with WANs that carry the same family', () => {
    assert.equal(uplink(['a,dev=eth1,via=192.0.2.1', 'b,dev=eth1,via=192.0.2.2']).shared, true);
    assert.equal(uplink(['a,dev=eth1,via=192.0.2.1', 'b,dev=eth1,via6=fe80::1']).shared, false);
  });
});

describe('the default devices', () => {
  it('are all devices with the lowest metric', () => {
    const both = {
      ...byWay('eth1', '192.0.2.1', 5),
      ways: ['eth1', 'eth2'].map((dev) => ({ dev, via: undefined, unusable: false })),
    };
    assert.deepEqual([...defaultDevices([byWay('eth3', undefined, 9), both])], ['eth1', 'eth2']);
    assert.deepEqual([...defaultDevices([])], []);
  });
});
