/** The output of `wanmark print` on a real kernel: it makes the same rules as `wanmark up`, and removes all of them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { installApplets } from '../helpers/applets.js';
import { markOf } from '../helpers/marks.js';
import { addon, iptablesLegacy, namespaces, needs, program } from '../helpers/requires.js';
import {
  ALL_BY,
  argsBy,
  KERNEL,
  ours,
  Programs,
  SERVICES,
  succeed,
  wans,
  withScript,
} from './print-harness.js';
import { Machine } from './rules-harness.js';

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

/** With legacy two are tried that have every kind of rule between them; otherwise all. */
const CHOSEN: Record<string, RegExp> = { legacy: /^(the kernel chooses|services$)/ };
/**
 * What BusyBox runs, with one variant. Between them these have every kind of line that a script can have; the others
 * have the same with other words, and test/plan/script.test.ts has ShellCheck read many more.
 */
const WITH_BUSYBOX = /^(the kernel chooses|services$|gateways of the main table)/;

for (const by of ALL_BY) {
  const { name: variant, env, programs: names } = by;
  const requirements = [
    namespaces,
    addon,
    program('busybox'),
    ...(variant === 'legacy' ? [iptablesLegacy] : []),
  ];

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

    for (const [name, given] of Object.entries(CONFIGURATIONS)) {
      if (CHOSEN[variant]?.test(name) === false) continue;
      const args = argsBy(by, given);
      test(`${name}: installs what up does, twice as well as once, and removes it`, () => {
        const nothing = machine.snapshot();
        const installed = machine.command(['up', ...args], { env });
        assert.equal(installed.status, 0, installed.stderr);
        const wanted = ours(machine, names);
        assert.equal(machine.command(['down'], { env }).status, 0);
        assert.equal(machine.snapshot(), nothing);

        withScript(machine, args, env, (script) => {
          const shells = [
            ['dash', undefined, ['', 'refresh']],
            ['busybox ash', busybox.dir, ['up', 'refresh']],
          ] as const;
          const isForAll = variant !== 'legacy' && WITH_BUSYBOX.test(name);
          for (const [shell, only, verbs] of isForAll ? shells : shells.slice(0, 1)) {
            const how = { shell, ...(only && { only }) };
            for (const verb of verbs) {
              succeed(machine, script, verb, how);
              assert.deepEqual(ours(machine, names), wanted, `${shell} ${verb}`);
            }
            assert.equal(succeed(machine, script, 'down', how), '');
            assert.equal(machine.snapshot(), nothing);
            assert.equal(machine.sh('ls /run/wanmark-script* | grep -v lock || :'), '');
          }
          assert.equal(succeed(machine, script, 'down'), '', 'safe to repeat');
          assert.equal(machine.snapshot(), nothing);
        });
      });
    }

    // The variant makes no difference to these.
    if (variant !== 'legacy') {
      test('a setting that a person changed is in force after up', () => {
        withScript(machine, argsBy(by, [...wans(), ...KERNEL]), env, (script) => {
          succeed(machine, script, 'up');
          script.set('wan1_weight', 2);
          script.set('wan2_via', '192.0.2.77');
          script.set('wan3_weight', 0);
          succeed(machine, script, 'up');
          const after = ours(machine, names);
          const as = [',weight=2', '', ',weight=0'];
          const args = wans(as).map((word) => word.replace('192.0.2.1,', '192.0.2.77,'));
          withScript(machine, argsBy(by, [...args, ...KERNEL]), env, (other) => {
            succeed(machine, other, 'up');
            assert.deepEqual(after, ours(machine, names));
          });
        });
      });

      test('refuses an invalid weight, and does not change anything', () => {
        const nothing = machine.snapshot();
        withScript(machine, argsBy(by, wans()), env, (script) => {
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

    test('leaves the rules of others alone', () => {
      const others = names.length > 0 ? names : ['iptables', 'ip6tables'];
      machine.sh(`for program in ${others.join(' ')}; do
        $program -t mangle -N WANMARKET; $program -t mangle -A PREROUTING -j WANMARKET
        $program -t nat -A POSTROUTING -o w1 -m comment --comment wanmark -j MASQUERADE
      done
      ip rule add fwmark ${markOf(7)} lookup 77 priority 20001; ip route add unreachable 10.77.0.0/16 table 77
      echo 1 > /proc/sys/net/ipv4/conf/w2/src_valid_mark`);
      const before = machine.snapshot();
      withScript(machine, argsBy(by, [...wans(), ...SERVICES]), env, (script) => {
        succeed(machine, script, 'up');
        succeed(machine, script, 'refresh');
        succeed(machine, script, 'down');
        assert.equal(machine.snapshot(), before);
      });
      machine.sh(`for program in ${others.join(' ')}; do
        $program -t mangle -D PREROUTING -j WANMARKET; $program -t mangle -X WANMARKET
        $program -t nat -D POSTROUTING -o w1 -m comment --comment wanmark -j MASQUERADE
      done
      ip rule del fwmark ${markOf(7)} lookup 77 priority 20001; ip route del unreachable 10.77.0.0/16 table 77
      echo 0 > /proc/sys/net/ipv4/conf/w2/src_valid_mark`);
    });
  });
}
