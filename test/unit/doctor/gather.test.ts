import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { parseEndpoint } from '#wanmark/core/endpoint.js';
import { InTime, runOnce } from '#wanmark/doctor/gather/in-time.js';
import { knownChecks, uncheckedWans } from '#wanmark/doctor/gather/known-checks.js';
import { findLacks } from '#wanmark/doctor/gather/lacks.js';
import { keepsForeignRules } from '#wanmark/doctor/gather/networkd.js';
import { outsideServers, reachedByWans } from '#wanmark/doctor/gather/servers.js';
import { readSettings } from '#wanmark/doctor/gather/settings.js';
import { askTargets } from '#wanmark/doctor/gather/targets.js';
import { whose } from '#wanmark/doctor/whose.js';
import { SystemError } from '#wanmark/errors.js';
import type { Route } from '#wanmark/system/rtnetlink/routes.js';
import type { Run } from '#wanmark/system/run.js';
import { CONFIG, DAEMON, GOOD, RAW, status } from './facts.js';

describe('InTime', () => {
  it('gives what a look finds', async () => {
    const inTime = new InTime(10_000);
    assert.equal(await inTime.look('a', () => 5), 5);
    inTime.done();
    assert.deepEqual([inTime.late, inTime.isLate], [[], false]);
  });

  it('goes on without what takes too long, and says so', async () => {
    const inTime = new InTime(1);
    assert.equal(await inTime.look('the queues', () => new Promise<number>(() => undefined)), undefined);
    assert.deepEqual([inTime.late, inTime.isLate], [['the queues (no answer within 0.001 s)'], true]);
  });

  it('goes on without what the system refuses, and does not hide a bug', async () => {
    const inTime = new InTime(10_000);
    const refusal = () => Promise.reject(new SystemError('X', 'no privilege'));
    assert.equal(await inTime.look('marks', refusal), undefined);
    await assert.rejects(
      inTime.look('x', () => Promise.reject(new TypeError('bug'))),
      TypeError,
    );
    inTime.done();
    assert.deepEqual([inTime.late, inTime.isLate], [['marks (no privilege)'], false]);
  });

  it('runs each command once', async () => {
    const ran: string[] = [];
    const run = runOnce(async (argv) => {
      ran.push(argv.join(' '));
      return { code: 0, stdout: '', stderr: '' };
    });
    await Promise.all([run(['a', 'b']), run(['a', 'b']), run(['a b'])]);
    assert.deepEqual(ran, ['a b', 'a b']);
  });
});

describe('knownChecks', () => {
  const bare = parseConfig({ wan: RAW.wan! });
  const running = status([
    {
      name: 'fibre',
      checks: [
        { kind: 'http', family: 4, targets: ['http://192.0.2.9/'] },
        { kind: 'script', family: 4, targets: ['/usr/bin/true'] },
        { kind: 'oracle', family: 4, targets: ['x'] },
      ] as never,
    },
    { name: 'dsl' },
  ]);

  it('are those of the configuration that was given', () => {
    assert.deepEqual(knownChecks(CONFIG, true, running), CONFIG.health.checks);
  });

  it('are otherwise those that the daemon reports, apart from scripts and what only a newer one knows', () => {
    const checks = knownChecks(bare, false, running)!;
    assert.deepEqual(
      checks.map(({ wan, kind, targets, status: wanted }) => [wan, kind, targets[4], targets[6], wanted]),
      [['fibre', 'http', ['http://192.0.2.9/'], [], 'any']],
    );
    assert.deepEqual(uncheckedWans(bare.wans, checks, running), ['dsl']);
    assert.deepEqual(uncheckedWans(bare.wans, [], running), ['dsl']);
  });

  it('are known from the start of the daemon on, before the first round of each is over', () => {
    const both = parseConfig({ wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=192.0.2.2'] });
    const starting = status([
      { name: 'fibre', checks: [], awaited: [{ kind: 'ping', family: 4, targets: ['192.0.2.9'] }] },
      { name: 'dsl', checks: [], awaited: [{ kind: 'script', family: 4, targets: ['/usr/bin/true'] }] },
    ] as never);
    const checks = knownChecks(both, false, starting)!;
    assert.deepEqual(
      checks.map(({ wan, kind, targets }) => [wan, kind, targets[4]]),
      [['fibre', 'ping', ['192.0.2.9']]],
    );
    assert.deepEqual(uncheckedWans(both.wans, checks, starting), []);
  });

  it('are not known without either, and none where nobody checks', () => {
    assert.equal(knownChecks(bare, false, undefined), undefined);
    assert.deepEqual(knownChecks(parseConfig({ wan: RAW.wan!, engine: 'kernel' }), false, undefined), []);
  });

  it('may be for one family alone', () => {
    const both = parseConfig({ wan: ['fibre,dev=eth1,via=192.0.2.1,via6=fe80::1'], check: RAW.check! });
    assert.deepEqual(uncheckedWans(both.wans, both.health.checks, DAEMON), ['fibre (IPv6)']);
  });
});

it('askTargets asks each target of each check by each WAN that has a way', async () => {
  const asked: string[] = [];
  const found = await askTargets(
    parseConfig({ ...RAW, check: ['all=ping,to=203.0.113.1+203.0.113.2', 'dsl=dns,to=203.0.113.53'] }).health
      .checks,
    ['fibre', 'dsl', 'lte'],
    (wan, family) => (wan === 'lte' ? undefined : { wan, family, mark: 1, device: wan }),
    (config) => async (target, path) => {
      asked.push(`${config.kind} ${target} ${path.wan}`);
      return GOOD;
    },
  );
  const expected = [
    'dns 203.0.113.53 dsl',
    'ping 203.0.113.1 dsl',
    'ping 203.0.113.1 fibre',
    'ping 203.0.113.2 dsl',
    'ping 203.0.113.2 fibre',
  ];
  assert.deepEqual([...new Set(asked)].sort(), expected);
  assert.deepEqual(found.map(({ check, target, wan }) => `${check.kind} ${target} ${wan}`).sort(), expected);
  assert.ok(found.every(({ result }) => result.ok));
});

describe('name servers', () => {
  const addresses = (...all: Parameters<typeof outsideServers>) =>
    outsideServers(...all).map(({ address }) => address);
  const checks = parseConfig({ ...RAW, check: ['all=dns,to=203.0.113.53'] }).health.checks;

  it('are those of resolv.conf, of systemd-resolved, or of a check', () => {
    assert.deepEqual(addresses(checks, ['127.0.0.53', '192.0.2.53'], 'nameserver 198.51.100.53\n'), [
      '192.0.2.53',
    ]);
    assert.deepEqual(addresses(checks, ['127.0.0.53'], '# x\nnameserver 198.51.100.53\n'), ['198.51.100.53']);
    assert.deepEqual(addresses(checks, ['::1'], ''), ['203.0.113.53']);
    assert.deepEqual(addresses([], ['127.0.0.1'], ''), []);
  });

  it('are not those of a LAN', () => {
    const servers = ['10.9.0.53', '203.0.113.53', '192.0.2.53', '198.18.0.53'].map(
      (text) => parseEndpoint(text, 53)!,
    );
    const via = (dst: string, index: number) => ({ dst, hops: [{ index }] }) as unknown as Route;
    const routes: Readonly<Record<string, Route>> = {
      '10.9.0.53': via('10.9.0.0/24', 9),
      '203.0.113.53': via('default', 2),
      '192.0.2.53': via('192.0.2.0/24', 3),
    };
    const reached = reachedByWans(servers, new Set([2, 3]), (_, address) => routes[address]);
    assert.deepEqual(
      reached.map(({ address }) => address),
      ['203.0.113.53', '192.0.2.53', '198.18.0.53'],
    );
  });
});

describe('findLacks', () => {
  const config = parseConfig({ wan: RAW.wan!, engine: 'kernel' });
  const programs = { 4: 'iptables', 6: 'ip6tables' } as const;
  const facts = { main: { 4: [], 6: [] }, ipsec: undefined };

  it('asks with rules that are not there, in the families that are carried', async () => {
    const asked: string[] = [];
    const run: Run = async (argv) => {
      asked.push(argv.join(' '));
      const stderr = argv.includes('statistic')
        ? 'Warning: Extension statistic revision 0 not supported\n'
        : '';
      return { code: 1, stdout: '', stderr: `${stderr}iptables: Bad rule` };
    };
    const lacks = await findLacks(config, facts, { programs }, run);
    assert.deepEqual(
      lacks.map(({ what }) => what),
      ['xt_statistic'],
    );
    assert.ok(asked.every((command) => /^iptables -w 5 -t (mangle|nat) -C /.test(command)));
  });

  it('asks for services alone, too', async () => {
    const services = parseConfig({
      service: ['web,listen=[2001:db8::9]:80/tcp'],
      backend: ['web,to=fd00::2'],
    });
    const asked = new Set<string>();
    const run: Run = async ([program]) => {
      asked.add(program!);
      return { code: 1, stdout: '', stderr: '' };
    };
    await findLacks(services, facts, { programs }, run);
    assert.deepEqual([...asked], ['ip6tables']);
  });

  it('names what the rules had to do without', async () => {
    const run: Run = async () => ({ code: 1, stdout: '', stderr: '' });
    const lacks = await findLacks(config, { ...facts, ipsec: 'unmatched' }, { programs }, run);
    assert.deepEqual(
      lacks.map(({ what }) => what),
      ['xt_policy'],
    );
  });
});

it('the last setting of networkd that says so keeps the rules of others', () => {
  assert.equal(keepsForeignRules([]), false);
  assert.equal(keepsForeignRules(['[Network]\nManageForeignRoutingPolicyRules=no\n']), true);
  assert.equal(keepsForeignRules(['[Network]\n#ManageForeignRoutingPolicyRules=no\n']), false);
  assert.equal(
    keepsForeignRules(['ManageForeignRoutingPolicyRules=no', 'ManageForeignRoutingPolicyRules = yes']),
    false,
  );
  assert.equal(keepsForeignRules(['ManageForeignRoutingPolicyRules=yes', 'ManageForeignRoutes=no\n']), false);
});

describe('readSettings', () => {
  const of = (files: Readonly<Record<string, string>>) =>
    readSettings(CONFIG, (file) => {
      const text = files[file];
      if (text === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      return text;
    });

  it('reads forwarding, of all and of each device, and how full conntrack is', () => {
    const { forwards, closed, conntrack } = of({
      'ipv4/ip_forward': '1',
      'ipv6/conf/all/forwarding': '0',
      'ipv4/conf/eth1/forwarding': '1',
      'ipv4/conf/eth2/forwarding': '0',
      'ipv6/conf/eth1/forwarding': '0',
      'netfilter/nf_conntrack_count': '12',
      'netfilter/nf_conntrack_max': '100',
    });
    assert.deepEqual(forwards, { 4: true, 6: false });
    assert.deepEqual(closed, ['eth2']);
    assert.deepEqual(conntrack, { count: 12, max: 100 });
  });

  it('knows nothing of what is not there', () => {
    const { forwards, closed, conntrack } = of({});
    assert.deepEqual([forwards, closed, conntrack], [{ 4: undefined, 6: undefined }, [], undefined]);
  });
});

describe('whose', () => {
  for (const [text, program] of [
    ["ip -4 rule 5210 'from all fwmark 0x80000/0xff0000 lookup main' of somebody else", 'Tailscale'],
    ["ip -4 rule 5270 'from all fwmark 0x80000/0xff0000 lookup 52' of somebody else", 'Tailscale'],
    ["ip -4 rule 100 'not from all fwmark 0xca6c lookup 51820' of somebody else", 'wg-quick'],
    ['iptables mangle cali-PREROUTING (-j MARK --set-xmark 0x10000/0x10000) writes', 'Calico'],
    ['iptables nat KUBE-MARK-MASQ (-j MARK --set-xmark 0x4000/0x4000) writes', 'kube-proxy'],
    ['iptables mangle mwan3_ifaces_in (-j MARK --set-xmark 0x100/0x3f00) writes', 'mwan3'],
    ['nft inet fw4 pbr_prerouting (meta mark set mark & 0xff00ffff | 0x10000) writes', 'pbr'],
    ["ip -4 rule 29998 'from all fwmark 0x10000/0xff0000 lookup 256' of somebody else", 'pbr'],
    ['iptables mangle DOCKER-INGRESS (-j MARK) writes', 'Docker'],
    ['iptables mangle FORWARD (-j CONNMARK --set-xmark 0x500/0xffffffff) writes', undefined],
  ] as const) {
    it(`${program}: ${text.slice(0, 60)}`, () => assert.equal(whose(text), program));
  }
});
