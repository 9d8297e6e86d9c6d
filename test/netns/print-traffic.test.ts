/** What connections do by the rules of a printed script, and what its verbs say. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addon, namespaces, needs, program } from '../helpers/requires.js';
import { argsBy, BOTH_BY, KERNEL, ours, Programs, Script, wans } from './print-harness.js';
import { Machine, SERVER, SERVER6, tally } from './rules-harness.js';

const PORT = '7000';

for (const by of BOTH_BY)
  describe(`${by.name}: a printed script`, needs(namespaces, addon), () => {
    const isNft = by.programs.length === 0;
    let machine: Machine;

    before(async () => {
      machine = await Machine.start();
      machine.buildNetwork();
      assert.equal(await (await machine.peer(['serve', PORT, SERVER, SERVER6], 'inet')).line(), 'ready');
    });
    after(() => machine.stop());

    const use = async (args: readonly string[], body: (script: Script) => Promise<void>) => {
      const script = new Script(machine, argsBy(by, args));
      try {
        const { status, stderr } = script.run(machine, 'up');
        assert.equal(status, 0, stderr);
        await body(script);
      } finally {
        script.run(machine, 'down');
        script.remove();
      }
    };
    const refresh = (script: Script) => {
      const { status, stderr } = script.run(machine, 'refresh');
      assert.equal(status, 0, stderr);
      return stderr;
    };
    const call = async (count: number, address = SERVER, where: string | undefined = 'client') =>
      tally(await machine.call(['tcp', String(count), address, PORT], where));

    test("balances forwarded connections and the router's own exactly by weight", async () => {
      await use([...wans([',weight=3', ',weight=2', '']), ...KERNEL], async () => {
        for (const where of ['client', undefined]) {
          assert.deepEqual(await call(60, SERVER, where), {
            '192.0.1.2': 30,
            '192.0.2.2': 20,
            '192.0.3.2': 10,
          });
        }
        assert.deepEqual(await call(60, SERVER6), {
          '2001:db8:1::2': 30,
          '2001:db8:2::2': 20,
          '2001:db8:3::2': 10,
        });
      });
    });

    test('a WAN that is switched off gets no share, and its table leads nowhere until it is back', async () => {
      await use([...wans(), ...KERNEL], async (script) => {
        machine.sh('ip link set w2 down');
        assert.match(
          refresh(script),
          /^wanmark: no IPv4 route by w2 \(gateway 192\.0\.2\.1\) at the moment$/m,
        );
        assert.deepEqual(await call(20), { '192.0.1.2': 10, '192.0.3.2': 10 });
        for (const family of [4, 6]) {
          assert.match(machine.sh(`ip -${family} route show table 1002`), /^unreachable default/);
        }
        machine.sh(`ip link set w2 up; ip addr replace 2001:db8:2::2/64 dev w2`);
        machine.until('ip -6 route get fibmatch 2001:db8:2::1 oif w2 | grep -q "^2001:db8:2::/64"');
        machine.until('ip -o link show w2 | grep -q LOWER_UP');
        assert.equal(refresh(script), '');
        assert.deepEqual(await call(30), { '192.0.1.2': 10, '192.0.2.2': 10, '192.0.3.2': 10 });
        assert.match(machine.sh('ip -6 route show table 1002'), /^default via 2001:db8:2::1 dev w2/);
      });
    });

    test("somebody's ip rule for a device takes no gateway from its WAN", async () => {
      await use([...wans(), ...KERNEL], async (script) => {
        machine.sh(`ip rule add priority 100 oif w2 lookup 66
          ip route add default via 192.0.2.1 dev w2 table 66`);
        assert.equal(refresh(script), '');
        assert.match(machine.sh('ip route show table 1002'), /^default via 192\.0\.2\.1 dev w2/);
        machine.sh('ip rule del oif w2; ip route flush table 66');
      });
    });

    test('with via=auto a refresh follows the gateway of the main table', async () => {
      const args = ['--wan', 'one,dev=w1,via=auto', '--wan', 'two,dev=w2,via=auto', ...KERNEL];
      await use(args, async (script) => {
        assert.match(machine.sh('ip route show table 1002'), /^unreachable default/);
        assert.deepEqual(await call(10), { '192.0.1.2': 10 });
        machine.sh('ip route add default via 192.0.2.1 dev w2 metric 50');
        refresh(script);
        assert.deepEqual(await call(20), { '192.0.1.2': 10, '192.0.2.2': 10 });
        machine.sh('ip route change default via 192.0.2.99 dev w2 metric 50');
        refresh(script);
        assert.match(machine.sh('ip route show table 1002'), /^default via 192\.0\.2\.99 dev w2 .*onlink/);
        machine.sh('ip route del default dev w2 metric 50');
        refresh(script);
        assert.match(machine.sh('ip route show table 1002'), /^unreachable default/);
      });
    });

    test('a higher tier takes over, and the last resort where no WAN is left', async () => {
      const args = [...wans([',tier=2', ',tier=1']), ...KERNEL, '--last-resort', 'unreachable'];
      await use(args, async (script) => {
        assert.deepEqual(await call(10), { '192.0.2.2': 10 });
        script.set('wan2_weight', 0);
        assert.equal(script.run(machine, 'up').status, 0);
        assert.deepEqual(await call(10), { '192.0.1.2': 10 });
        script.set('wan1_weight', 0);
        assert.equal(script.run(machine, 'up').status, 0);
        // The kernel limits how many errors it sends, so a refusal may be silence.
        const [answer] = await machine.call(['tcp', '1', SERVER, PORT], 'client', 1000);
        assert.match(answer!, /^failed/);
      });
    });

    test('a service gives its connections to its servers in turn', needs(program('conntrack')), async () => {
      const servers = [2, 3].flatMap((k) => ['--backend', `web,to=10.9.0.${k}:${PORT},weight=${k - 1}`]);
      machine.sh('ip -n client addr add 10.9.0.3/24 dev eth0');
      assert.equal(await (await machine.peer(['serve', PORT], 'client')).line(), 'ready');
      const args = ['--service', 'web,listen=192.0.1.2:80/tcp', ...servers, '--kernel-mode', 'nth'];
      await use(args, async () => {
        const seen = await machine.call(['tcp', '12', '192.0.1.2', '80', SERVER], 'inet');
        assert.deepEqual(tally(seen), { [SERVER]: 12 }, 'the servers see who asks');
        for (const [server, count] of [
          ['10.9.0.2', 4],
          ['10.9.0.3', 8],
        ] as const) {
          // What was translated has the server as the source of its answers.
          const conns = machine.sh('conntrack -L -p tcp --dport 80 2>/dev/null || :');
          assert.equal(conns.split('\n').filter((line) => line.includes(`src=${server} `)).length, count);
        }
      });
    });

    test('forgets UDP that began before it and has no answer', needs(program('conntrack')), async () => {
      // Something asks for conntrack, as a firewall does, and nothing translates yet.
      machine.sh(`iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
      ip netns exec client bash -c 'echo x >/dev/udp/${SERVER}/9'`);
      const entries = () => machine.sh('conntrack -L -p udp --dport 9 2>/dev/null || :');
      assert.match(entries(), /^udp .* dport=9 \[UNREPLIED\] /);
      await use(wans(), async (script) => {
        assert.equal(entries(), '', 'its next packet begins anew');
        machine.sh(`ip netns exec client bash -c 'echo x >/dev/udp/${SERVER}/9'`);
        const port = () => /sport=\d+/.exec(entries())?.[0];
        const sent = port();
        assert.match(entries(), / mark=[1-9]/);
        assert.equal(script.run(machine, 'up').status, 0);
        assert.ok(sent !== undefined && port() === sent, 'what has a WAN stays');
      });
    });

    test('refresh where it is not up, and unknown verbs, get one line', () => {
      const script = new Script(machine, argsBy(by, wans()));
      const refused = script.run(machine, 'refresh');
      assert.deepEqual([refused.status, refused.stdout], [1, '']);
      assert.match(refused.stderr, /^wanmark: is not up; run '.*balance\.sh up' first\n$/);
      for (const verb of ['start', 'up now', 'down down']) {
        const { status, stderr } = script.run(machine, verb);
        assert.equal(status, 2);
        assert.match(stderr, /^wanmark: usage: .*balance\.sh up\|refresh\|down\n$/);
      }
      script.remove();
    });

    test('without the capability or a program nothing is begun', needs(program('setpriv')), () => {
      const script = new Script(machine, argsBy(by, wans()));
      const nothing = machine.snapshot();
      const powerless = script.run(machine, 'up', {
        before: 'setpriv --bounding-set -net_admin --inh-caps -net_admin',
      });
      assert.deepEqual(
        [powerless.status, powerless.stderr],
        [1, 'wanmark: needs CAP_NET_ADMIN; run it as root (sudo)\n'],
      );
      if (!isNft) {
        script.set('iptables', 'iptables-of-nobody');
        const missing = script.run(machine, 'up');
        assert.deepEqual(
          [missing.status, missing.stderr],
          [1, 'wanmark: iptables-of-nobody is not installed\n'],
        );
        script.set('iptables', 'iptables');
      }
      const programs = new Programs();
      programs.add('ip', '[ "$1" != -V ] || echo "BusyBox ip"');
      const other = script.run(machine, 'up', { path: programs.dir });
      assert.deepEqual([other.status, other.stderr], [1, 'wanmark: needs the ip of iproute2\n']);
      programs.remove();
      assert.equal(machine.snapshot(), nothing);
      script.remove();
    });

    if (isNft)
      test('needs no iptables', async () => {
        const programs = machine.sh('ls /usr/sbin/xtables-*-multi').trim().split('\n');
        for (const path of programs) machine.sh(`mount --bind /dev/null ${path}`);
        assert.notEqual(machine.attempt('iptables -V').status, 0);
        const nothing = machine.sh('nft -s list ruleset; ip rule; ip -6 rule');
        await use([...wans([',weight=2', '']), ...KERNEL], async (script) => {
          refresh(script);
          assert.deepEqual(await call(6), { '192.0.1.2': 4, '192.0.2.2': 2 });
        });
        assert.equal(machine.sh('nft -s list ruleset; ip rule; ip -6 rule'), nothing);
        for (const path of programs) machine.sh(`umount ${path}`);
      });

    test('of two at once, one waits for the other', async () => {
      await use([...wans(), ...KERNEL], async (script) => {
        const before = ours(machine, by.programs);
        machine.sh(`for i in 1 2 3; do sh ${script.file} refresh & done; wait`);
        assert.deepEqual(ours(machine, by.programs), before);
      });
    });
  });
