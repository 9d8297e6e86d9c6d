/**
 * What `print` shows, against text. A fake `ip` stands for the machine, so the text is the same everywhere.
 * `WANMARK_GOLDEN=write` writes the text instead; read the difference before you keep it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const bin = mkdtempSync(join(tmpdir(), 'wanmark-golden-'));
after(() => rmSync(bin, { recursive: true }));

/** A router with three WANs and a LAN; the ways of `ip` to say so. */
writeFileSync(
  join(bin, 'ip'),
  `#!/bin/sh
case "$*" in
*'-4 route show table main default') echo 'default via 192.0.2.1 dev eth1 proto 16 metric 100'
  echo 'default via 198.51.100.1 dev eth2 metric 200' ;;
*'-4 route show table main') cat <<E
default via 192.0.2.1 dev eth1 proto 16 metric 100
default via 198.51.100.1 dev eth2 metric 200
10.0.0.0/8 dev lan0 proto 2 scope 253 src 10.0.0.1
10.1.0.0/16 via 10.0.0.9 dev lan0
172.16.5.4 dev wg0 scope 253
blackhole 172.31.0.0/16
throw 172.30.0.0/16
192.0.2.0/24 dev eth1 proto 2 scope 253 src 192.0.2.2
192.168.7.0/24 proto static
	nexthop via 10.0.0.3 dev lan0 weight 1
	nexthop via 10.0.0.4 dev lan0 weight 1
E
;;
*'-6 route show table main default') echo 'default via fe80::1 dev eth1 metric 1024 pref medium' ;;
*'-6 route show table main') cat <<E
2001:db8:1::/64 dev eth1 proto 2 metric 256 pref medium
unreachable fd00::/8 dev lo metric 1024 pref medium
fd00:9::/64 dev lan0 proto 2 metric 256 pref medium
fe80::/64 dev eth1 proto 2 metric 256 pref medium
default via fe80::1 dev eth1 metric 1024 pref medium
E
;;
*'-4 addr show scope global') cat <<E
2: eth1    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth1
3: eth2    inet 198.51.100.2/24 scope global eth2
4: ppp0    inet 203.0.113.7 peer 203.0.113.1/32 scope global ppp0
5: port0    inet 192.0.2.2/24 scope global port0
5: port0    inet 198.51.100.2/24 scope global port0
E
;;
*'-o link show') echo '2: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP'
  echo '3: eth2@if9: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP'
  echo '4: ppp0: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1492 qdisc noqueue state UNKNOWN' ;;
*'-o -4 addr show dev ppp0 scope global') echo '4: ppp0    inet 203.0.113.7 peer 203.0.113.1/32 scope global ppp0' ;;
*'-4 route get fibmatch 10.1.2.3') echo '10.1.0.0/16 via 10.0.0.9 dev lan0' ;;
*'-4 route get fibmatch '*) echo 'default via 192.0.2.1 dev eth1 proto 16 metric 100' ;;
*'-6 route get fibmatch '*) echo 'fd00:9::/64 dev lan0 proto 2 metric 256 pref medium' ;;
*'-6 addr show scope global') echo '2: eth1    inet6 2001:db8:1::2/64 scope global' ;;
*'-4 neigh show 192.0.2.1 dev port0') echo '192.0.2.1 lladdr 02:00:00:00:00:01 REACHABLE' ;;
*'-4 neigh show 198.51.100.1 dev port0') echo '198.51.100.1 lladdr 02:00:00:00:00:02 STALE' ;;
esac
`,
);
chmodSync(join(bin, 'ip'), 0o755);

const FIBRE = 'name=fibre dev=eth1 via=192.0.2.1 via6=fe80::1 mark=1 weight=5';
const DSL = 'name=dsl dev=eth2 via=198.51.100.1 mark=2 weight=3';
const CONFIGURATIONS: Record<string, Record<string, string>> = {
  basic: { WANMARK_WANS: `${FIBRE}\n${DSL}` },
  kernel: {
    WANMARK_WANS: `${FIBRE}\n${DSL}\nname=drained dev=eth3 via=dev weight=0; name=lte dev=ppp0 via=dev tier=2`,
    WANMARK_ENGINE: 'kernel',
    WANMARK_MASK: '0xff00',
    WANMARK_LAN: 'lan0 lan1',
    WANMARK_EXCLUDE: '100.64.0.0/10 10.2.0.0/16 2001:db8:9::/48',
    WANMARK_LOG_KERNEL: '1',
    WANMARK_QUEUE: '3',
    WANMARK_QUEUES: '4',
    WANMARK_TABLE: '5000',
    WANMARK_PRIORITY: '100',
  },
  // eth2's gateway is main's, ppp0 needs none, eth9 is not there yet. In IPv6 nobody is up.
  down: {
    WANMARK_WANS: [
      FIBRE,
      'name=dsl dev=eth2 via=auto weight=3',
      'name=lte dev=ppp0 via=auto tier=2',
      'name=modem dev=eth9 via=auto',
    ].join('\n'),
    WANMARK_KERNEL_MODE: 'nth',
    WANMARK_DOWN: 'dsl:4, fibre:6',
    WANMARK_LAST_RESORT: 'unreachable',
  },
  // A rotation of 2 and 1; the third, of the first tier, has no weight but by the configuration.
  weights: {
    WANMARK_WANS: `${FIBRE}\n${DSL}\nname=lte dev=ppp0 via=dev`,
    WANMARK_KERNEL_MODE: 'nth',
    WANMARK_WEIGHTS: 'lte=0, dsl=10\tfibre=20',
  },
  // Of the IPv6 WANs one translates, so there connections are spread.
  packets: {
    WANMARK_WANS: `${FIBRE} nat=none\n${DSL} nat=none`,
    WANMARK_ENGINE: 'kernel',
    WANMARK_KERNEL_MODE: 'nth',
    WANMARK_PER: 'packet',
  },
  services: {
    WANMARK_WANS: FIBRE,
    WANMARK_SERVICES: [
      'name=web listen=192.0.2.2:80/tcp',
      'name=dns listen=[2001:db8:1::2]:53/udp snat=fd00:9::1',
      'name=ftp listen=192.0.2.2:8000-8100/tcp snat=none',
    ].join('\n'),
    WANMARK_BACKENDS: [
      'service=web to=10.1.2.3:8080 weight=3',
      'service=web to=203.0.113.5:8080 weight=0',
      'service=web to=10.1.2.4',
      'service=dns to=[fd00:9::53]:5353; service=dns to=fd00:9::54',
      'service=ftp to=10.1.2.3',
    ].join('\n'),
    WANMARK_KERNEL_MODE: 'nth',
    WANMARK_FORWARD_ACCEPT: '1',
    WANMARK_LOG_KERNEL: '1',
  },
  queues: {
    WANMARK_WANS: DSL,
    WANMARK_QUEUE: '3',
    WANMARK_QUEUES: '4',
    WANMARK_SERVICES: 'name=web listen=198.51.100.2:80/tcp',
    WANMARK_BACKENDS: 'service=web to=10.1.2.3',
  },
  'services-alone': {
    WANMARK_SERVICES: 'name=all listen=192.0.2.9/any',
    WANMARK_BACKENDS: 'service=all to=10.1.2.3 mark=5; service=all to=10.1.2.4',
    WANMARK_BACKEND_MASK: '0xf0000',
    WANMARK_SERVICE_QUEUE: '7',
  },
  'shared-port': {
    WANMARK_WANS: [
      'name=fibre dev=port0 via=192.0.2.1 nat=none',
      'name=dsl dev=port0 via=198.51.100.1 nat=198.51.100.2',
      'name=unknown-gateway dev=port0 via=203.0.113.9 nat=203.0.113.0/24',
    ].join('\n'),
    WANMARK_QUEUE: '7',
    IPTABLES: 'iptables-legacy',
  },
};

function print(env: Record<string, string>, shell: string[], file = 'wanmark.sh') {
  const [command, ...args] = shell;
  return spawnSync(command!, [...args, join(ROOT, 'scripts', file), 'print'], {
    encoding: 'utf8',
    env: { PATH: `${bin}:${process.env.PATH}`, ...env },
  });
}

describe('print', () => {
  for (const [name, env] of Object.entries(CONFIGURATIONS)) {
    const golden = join(ROOT, 'test/scripts/golden', `${name}.txt`);

    test(`${name} is as in golden/${name}.txt`, () => {
      const { status, stdout, stderr } = print(env, ['sh']);
      assert.equal(status, 0, stderr);
      if (process.env.WANMARK_GOLDEN === 'write') writeFileSync(golden, stdout);
      assert.equal(stdout, readFileSync(golden, 'utf8'));
    });

    test(`${name}: the parts make up the whole`, () => {
      /** What sets it up, and what takes it away. */
      const halves = (file?: string) =>
        /\nif .*\n([\s\S]*)\nexit\nfi\n([\s\S]*)$/.exec(print(env, ['sh'], file).stdout)!.slice(1) as [
          string,
          string,
        ];
      const parts = ['routes.sh', 'nat.sh', 'rules.sh', 'forward.sh'].map(halves);
      const [up, down] = halves();
      assert.equal(parts.map(([one]) => one).join(''), up);
      assert.equal(
        parts
          .map(([, one]) => one)
          .reverse()
          .join(''),
        down,
      );
    });

    test(`${name}: every use of a mark has a mask`, () => {
      const { stdout } = print(env, ['sh']);
      const uses = stdout.match(/(--mark|--set-xmark|fwmark) \S+/g) ?? [];
      assert.ok(uses.length > 10, stdout);
      for (const use of uses) assert.match(use, /0x[0-9a-f]+\/0x[0-9a-f]+$/);
      for (const use of stdout.match(/-j (MARK|CONNMARK) .*/g) ?? []) {
        assert.match(use, /--set-xmark \S+\/0x|--(restore|save)-mark --nfmask (0x[0-9a-f]+) --ctmask \2$/);
      }
    });

    test(`${name}: the output is a script that a shell accepts`, () => {
      const checked = spawnSync('sh', ['-n'], { input: print(env, ['sh']).stdout, encoding: 'utf8' });
      assert.equal(checked.status, 0, checked.stderr);
    });
  }
});
