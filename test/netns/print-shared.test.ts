/** A printed script for three gateways behind one port, told apart by mark, table and, inbound, by their MAC addresses. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addon, namespaces, needs } from '../helpers/requires.js';
import { argsBy, BOTH_BY, ours, Script } from './print-harness.js';
import { Machine, SERVER, tally } from './rules-harness.js';

const PORT = '7000';
const WANS = [1, 2, 3].flatMap((k) => ['--wan', `wan${k},dev=port0,via=192.0.2.${k},nat=none`]);
const ARGS = [...WANS, '--engine', 'kernel', '--kernel-mode', 'nth'];

for (const by of BOTH_BY)
  describe(`${by.name}: a printed script for several WANs behind one port`, needs(namespaces, addon), () => {
    const { programs } = by;
    const args = argsBy(by, ARGS);
    let machine: Machine;
    let script: Script;

    before(async () => {
      machine = await Machine.start();
      script = new Script(machine, args);
      // router port0 192.0.2.9 --- bridge --- gateways gw1..gw3, each with SERVER and an address 203.0.113.10K of its own.
      // A server sees connections by gateway K as coming from 198.51.100.K.
      machine.sh(`
      for name in net gw1 gw2 gw3 client; do ip netns add $name; ip -n $name link set lo up; done
      ip -n net link add br0 type bridge; ip -n net link set br0 up
      ip link add port0 type veth peer name p0 netns net; ip -n net link set p0 master br0 up; ip link set port0 up
      ip addr add 192.0.2.9/24 dev port0; ip addr add 198.18.0.9/24 dev port0
      for k in 1 2 3; do
        ip -n gw$k link add in0 address 02:00:00:00:00:0$k type veth peer name i$k netns net
        ip -n net link set i$k master br0 up; ip -n gw$k link set in0 up
        ip -n gw$k addr add 192.0.2.$k/24 dev in0
        ip -n gw$k addr add ${SERVER}/32 dev lo; ip -n gw$k addr add 203.0.113.10$k/32 dev lo
        ip -n gw$k route add default via 192.0.2.9
        ip netns exec gw$k iptables -t nat -A INPUT -p tcp -d ${SERVER} -j SNAT --to-source 198.51.100.$k
      done
      ip link add lan0 type veth peer name eth0 netns client; ip link set lan0 up; ip -n client link set eth0 up
      ip addr add 10.9.0.1/24 dev lan0; ip -n client addr add 10.9.0.2/24 dev eth0
      ip -n client route add default via 10.9.0.1
      ip route add default via 192.0.2.1
      echo 1 > /proc/sys/net/ipv4/ip_forward
      for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $file; done`);
      machine.until('ip -n net link show p0 | grep -q "state UP"');
      for (const where of ['gw1', 'gw2', 'gw3', undefined]) {
        assert.equal(await (await machine.peer(['serve', PORT], where)).line(), 'ready');
      }
    });
    after(() => {
      script.remove();
      return machine.stop();
    });

    const run = (verb: string) => {
      const { status, stderr } = script.run(machine, verb);
      assert.equal(status, 0, stderr);
      return stderr;
    };
    /** The rules of `wanmark up` on the same machine. */
    const byCommand = () => {
      const { status, stderr } = machine.command(['up', ...args]);
      assert.equal(status, 0, stderr);
      const all = ours(machine, programs);
      assert.equal(machine.command(['down']).status, 0);
      return all;
    };

    test('learns the MAC address of every gateway without help, and balances over them', async () => {
      machine.sh('ip neigh flush dev port0');
      assert.equal(run('up'), '');
      const there = ours(machine, programs);
      const rules = machine.sh(
        programs.length === 0 ? 'nft list table inet wanmark' : 'iptables-save -t mangle',
      );
      assert.equal(rules.match(/(--mac-source|ether saddr) 02:00:00:00:00:0[123] /gi)?.length, 6);
      for (const where of ['client', undefined]) {
        const seen = tally(await machine.call(['tcp', '30', SERVER, PORT], where));
        assert.deepEqual(seen, { '198.51.100.1': 10, '198.51.100.2': 10, '198.51.100.3': 10 });
      }
      run('down');
      assert.deepEqual(there, byCommand());
    });

    test('inbound connections are answered by the gateway they came from', async () => {
      run('up');
      for (const k of [1, 2, 3]) {
        const seen = await machine.call(['tcp', '5', '192.0.2.9', PORT, `203.0.113.10${k}`], `gw${k}`);
        assert.deepEqual(seen, Array(5).fill(`203.0.113.10${k}`), `by gateway ${k}`);
      }
      run('down');
    });

    test('a silent gateway, and two with one address, get a line each, and the rules equal those of the command', () => {
      machine.sh(`ip -n gw3 link set in0 down; ip neigh flush dev port0
      ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:01 dev port0 nud permanent`);
      const said = run('up');
      assert.match(said, /^wanmark: gateway 192\.0\.2\.3: its MAC address is not known/m);
      assert.match(said, /^wanmark: gateway 192\.0\.2\.2 has the MAC address of another one/m);
      const there = ours(machine, programs);
      run('down');
      assert.deepEqual(there, byCommand());
      machine.sh('ip -n gw3 link set in0 up; ip neigh del 192.0.2.2 dev port0');
      assert.equal(run('up'), '');
      run('down');
    });
  });
