/** Three gateways behind one port: told apart by mark, table and, inbound, by the gateway's MAC address. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { markOf } from '../helpers/marks.js';
import { namespaces, needs } from '../helpers/requires.js';
import { Machine, SERVER, tally } from './rules-harness.js';

const PORT = '7000';
const WANS = [1, 2, 3].map((k) => `wan${k},dev=port0,via=192.0.2.${k},via6=fe80::${k},nat=none,nat6=none`);

describe('several WANs behind one port', needs(namespaces), () => {
  let machine: Machine;
  const config = { wan: WANS, engine: 'kernel' };

  before(async () => {
    machine = await Machine.start();
    // router port0 192.0.2.9 --- bridge in `inet`: gateways gw1..gw3, namespaces that masquerade towards the server
    machine.sh(`
      for name in net gw1 gw2 gw3 server client; do ip netns add $name; ip -n $name link set lo up; done
      ip -n net link add br0 type bridge; ip -n net link set br0 up
      ip -n net link add br1 type bridge; ip -n net link set br1 up
      ip link add port0 type veth peer name p0 netns net; ip -n net link set p0 master br0 up; ip link set port0 up
      ip addr add 192.0.2.9/24 dev port0; ip addr add fe80::9/64 dev port0 nodad
      for k in 1 2 3; do
        ip -n gw$k link add in0 address 02:00:00:00:00:0$k type veth peer name i$k netns net
        ip -n gw$k link add out0 type veth peer name o$k netns net
        ip -n net link set i$k master br0 up; ip -n net link set o$k master br1 up
        ip -n gw$k link set in0 up; ip -n gw$k link set out0 up
        ip -n gw$k addr add 192.0.2.$k/24 dev in0; ip -n gw$k addr add fe80::$k/64 dev in0 nodad
        ip -n gw$k addr add 203.0.113.10$k/24 dev out0
        ip -n gw$k route add 10.9.0.0/24 via 192.0.2.9
        ip netns exec gw$k sysctl -qw net.ipv4.ip_forward=1
        ip netns exec gw$k iptables -t nat -A POSTROUTING -o out0 -j MASQUERADE
        # Inbound: what comes to the gateway's outer address is for the router, with the sender's address kept.
        ip netns exec gw$k iptables -t nat -A PREROUTING -i out0 -p tcp --dport 8000 -j DNAT --to 192.0.2.9:${PORT}
      done
      ip -n server link add eth0 type veth peer name s0 netns net; ip -n net link set s0 master br1 up
      ip -n server link set eth0 up; ip -n server addr add ${SERVER}/24 dev eth0
      ip link add lan0 type veth peer name eth0 netns client; ip link set lan0 up; ip -n client link set eth0 up
      ip addr add 10.9.0.1/24 dev lan0; ip -n client addr add 10.9.0.2/24 dev eth0
      ip -n client route add default via 10.9.0.1
      ip route add default via 192.0.2.1
      echo 1 > /proc/sys/net/ipv4/ip_forward
      for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $file; done`);
    machine.until('ip -n net link show p0 | grep -q "state UP"');
    for (const where of ['server', undefined]) {
      assert.equal(await (await machine.peer(['serve', PORT], where)).line(), 'ready');
    }
  });
  after(() => machine.stop());

  const up = (given: RawConfig) => {
    const result = machine.wanmark('up', given);
    assert.equal(result.status, 0, result.stderr);
    return result.stderr;
  };

  /** The rules for what comes in. */
  const rules = (family: 4 | 6) =>
    machine.sh(
      machine.hasNft()
        ? `nft list chain inet wanmark mangle${family}.WANMARK`
        : `${family === 4 ? 'iptables' : 'ip6tables'}-save -t mangle`,
    );

  test('up learns the MAC address of every gateway', () => {
    const said = up(config);
    assert.doesNotMatch(said, /MAC address/);
    for (const family of [4, 6] as const) {
      const text = rules(family);
      for (const k of [1, 2, 3]) {
        const from = machine.hasNft()
          ? `iifname "port0" ether saddr 02:00:00:00:00:0${k} .*jump connmark_0x0${k}000000/0x3f000000`
          : `-i port0 -m mac --mac-source 02:00:00:00:00:0${k} .*-j CONNMARK --set-xmark ${markOf(k)}`;
        assert.match(text, new RegExp(from));
      }
    }
  });

  test("connections are balanced over the gateways, forwarded and the router's own", async () => {
    up(config);
    for (const where of ['client', undefined]) {
      const seen = tally(await machine.call(['tcp', '90', SERVER, PORT], where));
      for (const k of [1, 2, 3]) {
        const share = seen[`203.0.113.10${k}`] ?? 0;
        assert.ok(Math.abs(share - 30) < 6 * Math.sqrt((90 * 2) / 9), JSON.stringify(seen));
      }
    }
  });

  test('inbound connections are answered by the gateway they came from', async () => {
    up(config);
    for (const k of [1, 2, 3]) {
      const seen = await machine.call(['tcp', '5', `203.0.113.10${k}`, '8000'], 'server');
      assert.deepEqual(seen, Array(5).fill(SERVER), `by gateway ${k}`);
    }
  });

  test('a gateway that does not answer gets one line, and refresh adds it when it does', () => {
    machine.sh('ip -n gw3 link set in0 down; ip neigh flush dev port0');
    machine.wanmark('down');
    const said = up({ ...config, wan: WANS.map((wan) => wan.replace(/,via6=[^,]+/, '')) });
    assert.match(said, /^wanmark: WAN wan3: the MAC address of its gateway 192.0.2.3 is not known/m);
    assert.doesNotMatch(rules(4), /00:00:00:00:03/);
    machine.sh('ip -n gw3 link set in0 up; ip neigh flush dev port0');
    const result = machine.wanmark('refresh');
    assert.equal(result.status, 0, result.stderr);
    assert.match(rules(4), /(--mac-source|ether saddr) 02:00:00:00:00:03/);
  });
});
