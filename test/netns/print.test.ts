/** The output of `wanmark print` on a real kernel: it makes the same rules as `wanmark up`, and removes all of them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { installApplets } from '../helpers/applets.js';
import { markOf } from '../helpers/marks.js';
import { addon, iptablesLegacy, namespaces, needs, program } from '../helpers/requires.js';
import { ours, Programs, Script } from './print-harness.js';
import { Machine, SERVER, SERVER6, tally, VARIANTS } from './rules-harness.js';

const PORT = '7000';
const KERNEL = ['--engine', 'kernel', '--kernel-mode', 'nth'];

/** `--wan` for each of the machine's WANs; `more` is added to each. */
const wans = (more: readonly string[] = ['', '', '']) =>
  more.flatMap((text, i) => [
    '--wan',
    `wan${i + 1},dev=w${i + 1},via=192.0.${i + 1}.1,via6=2001:db8:${i + 1}::1${text}`,
  ]);

const SERVICES = [
  ...['--service', 'web,listen=192.0.1.2:80/tcp', '--backend', 'web,to=10.9.0.2:8080,weight=3'],
  ...['--backend', 'web,to=10.9.0.3', '--backend', 'web,to=203.0.113.9,weight=0', '--forward-accept'],
  ...['--service', 'dns,listen=[2001:db8:1::2]:53/udp,snat=fd09::1', '--backend', 'dns,to=[fd09::2]:5353'],
  ...[
    '--service',
    'own,listen=dev:w1:443/tcp',
    '--backend',
    'own,to=10.9.0.3,tier=2',
    '--backend',
    'own,to=10.9.0.2',
  ],
  ...['--service', 'own6,listen=dev:w1:443/tcp', '--backend', 'own6,to=fd09::2'],
];

/** Every kind of end and of condition; what goes by `default` at last, and by a policy of one WAN. */
const POLICIES = [
  ...[
    '--policy',
    'voice,use=wan2+wan1:tier=2,none=unreachable',
    '--policy',
    'web,use=wan1:weight=5+wan2,none=bulk',
  ],
  ...['--policy', 'bulk,use=wan2,none=default', '--policy', 'Free.2,use=wan2:weight=3:tier=2+wan1,none=main'],
  ...['--set', 'office,net=198.51.100.0/24+2001:db8:5::/48', '--rule', 'wan2,set=office'],
  ...[
    '--rule',
    'voice,proto=udp,dport=5060+10000-20000',
    '--rule',
    'blackhole,from=!10.9.0.0/16,to=10.8.0.0/14',
  ],
  ...['--rule', 'web,proto=tcp+udp,dport=443,from=10.9.0.1-10.9.0.9', '--rule', 'direct,in=lan$0'],
  ...['--rule', 'Free.2,time=mon-fri 08:00-18:00 utc', '--rule', 'default,own=true,proto=tcp,dport=25'],
  ...Array.from({ length: 8 }, (_, i) => ['--rule', `bulk,proto=tcp,dport=${8000 + i}`]).flat(),
];

const CONFIGURATIONS: Record<string, string[]> = {
  'three WANs': wans(),
  'the kernel chooses in turn, with tiers, exceptions and a last resort': [
    ...wans([',weight=5', ',weight=2,nat=192.0.2.2', ',tier=2,nat6=2001:db8:77::/64']),
    ...KERNEL,
    ...['--mask', '0xff00', '--lan', 'lan0', '--exclude', '100.64.0.0/10', '--exclude', '2001:db8:9::/48'],
    ...['--last-resort', 'unreachable', '--log-kernel', '--table', '5000', '--priority', '100'],
    ...POLICIES,
  ],
  'all the bits, several queues': [
    ...[...wans([',mark=7', '']), '--mask', '0xffffffff', '--queues', '3', ...POLICIES],
  ],
  'packets are spread': [...wans([',nat=none', ',nat=none']), '--engine', 'kernel', '--per', 'packet'],
  services: [...wans([',weight=2', '']), ...SERVICES],
  'services alone': SERVICES,
  'gateways of the main table, a device that is not there, and a gateway beside the networks of its device': [
    ...['--wan', 'wan1,dev=w1,via=auto,via6=auto', '--wan', 'wan2,dev=w2,via=auto'],
    ...['--wan', 'wan3,dev=w3,via=dev', '--wan', 'lte,dev=wwan9,via=dev', ...KERNEL],
    ...[
      '--policy',
      'phone,use=lte,none=spare',
      '--policy',
      'spare,use=lte:tier=3+wan2+wan1:weight=9,none=blackhole',
    ],
    ...['--rule', 'phone,dscp=ef', '--rule', 'lte,from=10.9.0.7', '--rule', 'unreachable,from=10.9.0.8'],
  ],
  "the router's own connections are left to main": [...wans(), ...['--own', 'off'], ...KERNEL],
  'a WAN for each family of a device': [
    ...['--wan', 'wan,dev=w1,via=auto', '--wan', 'wan6,dev=w1,via6=auto'],
    ...['--wan', 'wanb,dev=w2,via=192.0.2.1', '--wan', 'wanb6,dev=w2,via6=2001:db8:2::1'],
  ],
};

/** With one variant all configurations are tried; with the other two that have every kind of rule between them. */
const CHOSEN: Record<string, RegExp> = { nft: /./, legacy: /^(the kernel chooses|services$)/ };
/**
 * What BusyBox runs, with one variant. Between them these have every kind of line that a script can have; the others
 * have the same with other words, and test/plan/script.test.ts has ShellCheck read many more.
 */
const WITH_BUSYBOX = /^(the kernel chooses|services$|gateways of the main table)/;

for (const [variant, programs] of Object.entries(VARIANTS)) {
  const requirements = [
    namespaces,
    addon,
    program('busybox'),
    ...(variant === 'legacy' ? [iptablesLegacy] : []),
  ];
  const names = [programs.IPTABLES!, programs.IP6TABLES!];

  describe(`${variant}: a printed script`, needs(...requirements), () => {
    let machine: Machine;
    const busybox = new Programs();

    before(async () => {
      machine = await Machine.start();
      machine.buildNetwork();
      if (variant === 'legacy') machine.loadLegacy();
      installApplets(busybox.dir);
    });
    after(() => {
      busybox.remove();
      return machine.stop();
    });

    const withScript = (args: readonly string[], use: (script: Script) => void) => {
      const script = new Script(machine, args, programs);
      try {
        use(script);
      } finally {
        script.run(machine, 'down');
        script.remove();
      }
    };
    const succeed = (script: Script, verb: string, options = {}) => {
      const { status, stderr } = script.run(machine, verb, options);
      assert.equal(status, 0, stderr);
      return stderr;
    };

    for (const [name, args] of Object.entries(CONFIGURATIONS)) {
      if (!CHOSEN[variant]!.test(name)) continue;
      test(`${name}: installs what up does, twice as well as once, and removes it`, () => {
        const nothing = machine.snapshot();
        const installed = machine.command(['up', ...args], { env: programs });
        assert.equal(installed.status, 0, installed.stderr);
        const wanted = ours(machine, names);
        assert.equal(machine.command(['down'], { env: programs }).status, 0);
        assert.equal(machine.snapshot(), nothing);

        withScript(args, (script) => {
          const shells = [
            ['dash', undefined, ['', 'refresh']],
            ['busybox ash', busybox.dir, ['up', 'refresh']],
          ] as const;
          const isForAll = variant === 'nft' && WITH_BUSYBOX.test(name);
          for (const [shell, only, verbs] of isForAll ? shells : shells.slice(0, 1)) {
            const how = { shell, ...(only && { only }) };
            for (const verb of verbs) {
              succeed(script, verb, how);
              assert.deepEqual(ours(machine, names), wanted, `${shell} ${verb}`);
            }
            assert.equal(succeed(script, 'down', how), '');
            assert.equal(machine.snapshot(), nothing);
            assert.equal(machine.sh('ls /run/wanmark-script* | grep -v lock || :'), '');
          }
          assert.equal(succeed(script, 'down'), '', 'safe to repeat');
          assert.equal(machine.snapshot(), nothing);
        });
      });
    }

    test('without a match for IPsec, up and the script leave its rules out, and say so where it matters', () => {
      const poor = new Programs();
      for (const name of names) {
        // The words of iptables where the kernel has no xt_policy.
        poor.add(
          name,
          `case "$*" in *policy*) echo 'Warning: Extension policy revision 0 not supported, missing kernel module?' >&2
          exit 1 ;; esac\nPATH=\${PATH#*:}; exec ${name} "$@"`,
        );
        poor.add(
          `${name}-restore`,
          `PATH=\${PATH#*:}; input=$(cat); case $input in *policy*) exit 2 ;; esac
          printf '%s\\n' "$input" | ${name}-restore "$@"`,
        );
      }
      const env = { ...programs, PATH: `${poor.dir}:${process.env.PATH}` };
      const up = () => {
        const { status, stderr } = machine.command(['up', ...wans()], { env });
        assert.equal(status, 0, stderr);
        return stderr.split('\n').filter((line) => line.startsWith('wanmark: warning: '));
      };
      assert.deepEqual(up(), []);
      const wanted = ours(machine, names);
      assert.doesNotMatch(JSON.stringify(wanted), /policy/);
      machine.sh(`ip xfrm policy add dir out src 10.9.0.0/24 dst 10.8.0.0/24 tmpl proto esp mode tunnel`);
      assert.match(up().join('\n'), /^wanmark: warning: there are IPsec policies, .*$/);
      assert.equal(machine.command(['refresh'], { env }).status, 0);
      assert.equal(machine.command(['down'], { env: programs }).status, 0);

      withScript(wans(), (script) => {
        const said = succeed(script, 'up', { path: poor.dir });
        assert.match(said, /^(wanmark: ip6?tables(-legacy)? cannot ask for IPsec \(xt_policy\), .*\n){2}$/);
        assert.deepEqual(ours(machine, names), wanted);
        machine.sh('ip xfrm policy flush');
        assert.equal(succeed(script, 'refresh', { path: poor.dir }), '');
      });
      poor.remove();
    });

    // The variant makes no difference to these.
    if (variant === 'nft') {
      test('a setting that a person changed is in force after up', () => {
        withScript([...wans(), ...KERNEL], (script) => {
          succeed(script, 'up');
          script.set('wan1_weight', 2);
          script.set('wan2_via', '192.0.2.77');
          script.set('wan3_weight', 0);
          succeed(script, 'up');
          const after = ours(machine, names);
          const as = [',weight=2', '', ',weight=0'];
          const args = wans(as).map((word) => word.replace('192.0.2.1,', '192.0.2.77,'));
          withScript([...args, ...KERNEL], (other) => {
            succeed(other, 'up');
            assert.deepEqual(after, ours(machine, names));
          });
        });
      });

      test('refuses an invalid weight, and does not change anything', () => {
        const nothing = machine.snapshot();
        withScript(wans(), (script) => {
          for (const weight of ['-1', 'much', '65536x', "''"]) {
            script.set('wan1_weight', weight);
            const { status, stderr } = script.run(machine, 'up');
            assert.equal(status, 2);
            assert.match(stderr, /^wanmark: weight '.*' must be a whole number from 0 to 65535\n$/);
          }
        });
        assert.equal(machine.snapshot(), nothing);
      });
    }

    test('a first up that fails leaves nothing, a later one leaves the old rules', () => {
      const nothing = machine.snapshot();
      withScript([...wans(), ...SERVICES], (script) => {
        for (const tool of [
          ...(variant === 'nft' ? ['ip'] : []),
          `${names[0]}-restore`,
          `${names[1]}-restore`,
        ]) {
          const saboteur = new Programs();
          const change = `case "$*" in *' show'*|*' get '*|*--test*|*neigh*|-V) ;; *)
            n=$(($(cat ${saboteur.dir}/count) + 1)); echo $n >${saboteur.dir}/count
            [ $n != "$(cat ${saboteur.dir}/at)" ] || { echo injected >&2; exit 4; } ;; esac`;
          saboteur.add(tool, `${change}\nPATH=\${PATH#*:}; exec ${tool} "$@"`);
          const fail = (at: number) => {
            machine.sh(`echo 0 >${saboteur.dir}/count; echo ${at} >${saboteur.dir}/at`);
            return script.run(machine, 'up', { path: saboteur.dir });
          };
          for (const at of tool === 'ip' ? [1, 5, 12] : [1]) {
            const { status, stderr } = fail(at);
            assert.equal(status, 1, stderr);
            assert.match(stderr, /^injected\nwanmark: failed; everything goes back to what it was$/m);
            assert.equal(machine.snapshot(), nothing, `${tool} ${at}`);
          }
          succeed(script, 'up');
          const before = ours(machine, names);
          for (const [setting, value, old] of [
            ['wan1_weight', 9, 1],
            ['wan2_via', '192.0.2.77', '192.0.2.1'],
          ] as const) {
            script.set(setting, value);
            assert.equal(fail(tool === 'ip' ? 2 : 1).status, 1);
            assert.deepEqual(ours(machine, names), before, `${tool} ${setting}`);
            script.set(setting, old);
          }
          succeed(script, 'down');
          saboteur.remove();
        }
      });
      assert.equal(machine.snapshot(), nothing);
    });

    test('does not take what it cannot read for nothing', () => {
      const nothing = machine.snapshot();
      withScript([...wans(), '--wan', 'auto,dev=w9,via=auto'], (script) => {
        const refused = (name: string, body: string, message: RegExp) => {
          const broken = new Programs();
          broken.add(name, `PATH=\${PATH#*:}\n${body}\nexec ${name} "$@"`);
          const before = machine.snapshot();
          for (const verb of ['up', 'down']) {
            const { status, stderr } = script.run(machine, verb, { path: broken.dir });
            assert.equal(status, 1, `${verb}: ${stderr}`);
            assert.match(stderr, message, verb);
            assert.equal(machine.snapshot(), before, verb);
          }
          broken.remove();
        };
        const all = () => {
          refused(
            `${names[1]}-save`,
            `${names[1]}-save; echo "# Table \\\`mangle' is incompatible, use 'nft' tool."; exit`,
            /^wanmark: ip6tables.*-save does not show a table with rules of another program; /m,
          );
          refused(`${names[1]}-save`, 'exit 1', /^wanmark: ip6tables.*-save failed, so nothing is changed$/m);
          refused('ip', 'case "$*" in *"-6 rule show"*) echo injected >&2; exit 2 ;; esac', /^injected$/m);
        };
        all();
        const broken = new Programs();
        for (const what of ['-4 route show table main', '-6 route show table all']) {
          broken.add(
            'ip',
            `PATH=\${PATH#*:}; case "$*" in *"${what}"*) echo injected >&2; exit 2 ;; esac; exec ip "$@"`,
          );
          assert.equal(script.run(machine, 'up', { path: broken.dir }).status, 1, what);
          assert.equal(machine.snapshot(), nothing, what);
        }
        broken.remove();
        succeed(script, 'up');
      });
      assert.equal(machine.snapshot(), nothing);
    });

    test('leaves the rules of others alone', () => {
      machine.sh(`for program in ${names.join(' ')}; do
        $program -t mangle -N WANMARKET; $program -t mangle -A PREROUTING -j WANMARKET
        $program -t nat -A POSTROUTING -o w1 -m comment --comment wanmark -j MASQUERADE
      done
      ip rule add fwmark ${markOf(7)} lookup 77 priority 20001; ip route add unreachable 10.77.0.0/16 table 77
      echo 1 > /proc/sys/net/ipv4/conf/w2/src_valid_mark`);
      const before = machine.snapshot();
      withScript([...wans(), ...SERVICES], (script) => {
        succeed(script, 'up');
        succeed(script, 'refresh');
        succeed(script, 'down');
        assert.equal(machine.snapshot(), before);
      });
      machine.sh(`for program in ${names.join(' ')}; do
        $program -t mangle -D PREROUTING -j WANMARKET; $program -t mangle -X WANMARKET
        $program -t nat -D POSTROUTING -o w1 -m comment --comment wanmark -j MASQUERADE
      done
      ip rule del fwmark ${markOf(7)} lookup 77 priority 20001; ip route del unreachable 10.77.0.0/16 table 77
      echo 0 > /proc/sys/net/ipv4/conf/w2/src_valid_mark`);
    });
  });
}

describe('a printed script', needs(namespaces, addon), () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    assert.equal(await (await machine.peer(['serve', PORT, SERVER, SERVER6], 'inet')).line(), 'ready');
  });
  after(() => machine.stop());

  const use = async (args: readonly string[], body: (script: Script) => Promise<void>) => {
    const script = new Script(machine, args);
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
      assert.match(refresh(script), /^wanmark: no IPv4 route by w2 \(gateway 192\.0\.2\.1\) at the moment$/m);
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

  test('a service gives its connections to its servers in turn', async () => {
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
        const rule = machine
          .sh('iptables-save -c -t nat')
          .split('\n')
          .find((line) => line.includes(`--to-destination ${server}:`));
        assert.match(rule!, new RegExp(`^\\[${count}:`));
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
    const script = new Script(machine, wans());
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
    const script = new Script(machine, wans());
    const nothing = machine.snapshot();
    const powerless = script.run(machine, 'up', {
      before: 'setpriv --bounding-set -net_admin --inh-caps -net_admin',
    });
    assert.deepEqual(
      [powerless.status, powerless.stderr],
      [1, 'wanmark: needs CAP_NET_ADMIN; run it as root (sudo)\n'],
    );
    script.set('iptables', 'iptables-of-nobody');
    const missing = script.run(machine, 'up');
    assert.deepEqual([missing.status, missing.stderr], [1, 'wanmark: iptables-of-nobody is not installed\n']);
    script.set('iptables', 'iptables');
    const programs = new Programs();
    programs.add('ip', '[ "$1" != -V ] || echo "BusyBox ip"');
    const other = script.run(machine, 'up', { path: programs.dir });
    assert.deepEqual([other.status, other.stderr], [1, 'wanmark: needs the ip of iproute2\n']);
    programs.remove();
    assert.equal(machine.snapshot(), nothing);
    script.remove();
  });

  test('of two at once, one waits for the other', async () => {
    await use([...wans(), ...KERNEL], async (script) => {
      const before = ours(machine, ['iptables', 'ip6tables']);
      machine.sh(`for i in 1 2 3; do sh ${script.file} refresh & done; wait`);
      assert.deepEqual(ours(machine, ['iptables', 'ip6tables']), before);
    });
  });
});
