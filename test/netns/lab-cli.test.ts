import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { runCli, startCli } from '../helpers/cli.js';
import { CommandLines } from '../helpers/command-lines.js';
import { markOf } from '../helpers/marks.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';

const NEEDS = needs(nfqueue, addon);

test(
  '--json: one object on standard output and nothing else; by default exact thirds of each kind',
  NEEDS,
  async () => {
    const { code, stdout, stderr } = await runCli('lab', '--json');
    assert.equal(code, 0, stderr);
    assert.equal(stdout.split('\n').length, 2);
    const report = JSON.parse(stdout);
    assert.deepEqual(Object.keys(report), [
      'strategy',
      'sharedPort',
      'connections',
      'failed',
      'wans',
      'kinds',
      'seconds',
      'problems',
      'agree',
    ]);
    assert.deepEqual(report.wans[0], {
      name: 'wan1',
      mark: 1,
      weight: 1,
      tier: 1,
      expected: 240,
      decided: 240,
      seen: 240,
      forwarded: 120,
      originated: 120,
    });
    const thirds = { connections: 90, seen: { wan1: 30, wan2: 30, wan3: 30 } };
    assert.deepEqual(
      report.kinds,
      ['client', 'router'].flatMap((origin) =>
        ['tcp IPv4', 'udp IPv4', 'tcp IPv6', 'udp IPv6'].map((kind) => ({
          kind: `${origin} ${kind}`,
          ...thirds,
        })),
      ),
    );
    assert.deepEqual([report.strategy, report.connections], ['weighted', 720]);
    assert.deepEqual([report.failed, report.problems, report.agree], [0, [], true]);
  },
);

test('the table names each WAN, and progress is plain lines where there is no terminal', NEEDS, async () => {
  const { code, stdout, stderr } = await runCli('lab', '--weights', '2,1', '--connections', '3');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /│ wan1 │ +2 │ +66\.7 % │ +16 │ +16 │ +16 │ +8 │ +8 │ agree/);
  assert.match(stdout, /24 connections, strategy weighted, .*: the server saw what was decided/);
  assert.match(
    stderr,
    /^lab: building the network\nlab: wanmark up\n.*^lab: 24 of 24 connections\nlab: wanmark down\n$/ms,
  );
});

test(
  '--policies: each kind of connection goes by its policy, whatever the daemon and a WAN do',
  NEEDS,
  async () => {
    const { code, stdout, stderr } = await runCli('lab', '--policies', '--json', '--connections', '1');
    assert.equal(code, 0, stderr + stdout);
    const report = JSON.parse(stdout);
    assert.deepEqual([report.connections, report.agree], [432, true]);
    const seen = (kind: string) =>
      report.results.flatMap((one: { kind: string; seen: object }) => (one.kind === kind ? one.seen : []));
    assert.deepEqual(seen('host 2, by wan2 only'), [{ wan2: 24 }, { wan2: 24 }, { refused: 24 }]);
    assert.deepEqual(seen('TCP 443, wan1 and wan2 3:1'), [
      { wan1: 18, wan2: 6 },
      { wan1: 18, wan2: 6 },
      { wan1: 24 },
    ]);
  },
);

test('exit 1, with the WANs, when packets do not leave by the WAN decided for them', NEEDS, async () => {
  const strayRule = `ip rule add priority 10 fwmark ${markOf(2)} lookup main`;
  const { code, stdout } = await runCli('lab', '--connections', '6', '--exec', strayRule);
  assert.equal(code, 1);
  assert.match(stdout, /wan2 .*DISAGREE/);
  assert.match(stdout, /8 connections decided for wan2, seen by wan1; the first: tcp 10\.0\.0\.12 \d+ > 203/);
  assert.match(stdout, /wan1 should have 16 connections and has 24/);
});

test('exit 1 when connections fail', NEEDS, async () => {
  const drop = 'iptables -I FORWARD -p tcp -o wan3 -j REJECT --reject-with tcp-reset';
  const { code, stdout } = await runCli('lab', '--connections', '6', '--exec', drop);
  assert.equal(code, 1);
  assert.match(stdout, /2 connections failed \(ECONNREFUSED\); the first: tcp/);
});

test('--shell prints commands that enter each host', NEEDS, async () => {
  const program = startCli('lab', '--shell', '--json', '--connections', '2');
  await program.until(() => (/Ctrl-C ends/.test(program.stderr) ? true : undefined), 'the lab is up');
  const commands = [...program.stderr.matchAll(/^ {2}(\w+) +(nsenter .*)$/gm)].map((match) => match.slice(1));
  const addresses = Object.fromEntries(
    commands.map(([name, command]) => {
      const text = execFileSync('sh', ['-c', `${command} -c 'ip -br -4 addr'`], {
        encoding: 'utf8',
      });
      return [name!, [...text.matchAll(/ ([\d.]+)\//g)].map((match) => match[1])];
    }),
  );
  assert.deepEqual(addresses.server, ['127.0.0.1', '203.0.113.10']);
  assert.deepEqual(addresses.gw2, ['127.0.0.1', '198.51.100.9', '203.0.113.102']);
  assert.equal(addresses.client1![1], '10.0.0.11');
  assert.deepEqual(Object.keys(addresses), ['router', 'server', 'gw1', 'gw2', 'gw3', 'client1']);
  await program.kill('SIGINT');
  await program.exited;
});

const MISTAKES: [string[], RegExp][] = [
  [['--weights', '0,0'], /every weight is 0/],
  [['--engine', 'kernel', '--strategy', 'rr'], /--strategy is the daemon’s/],
  [['--engine', 'kernle'], /unknown engine "kernle"; did you mean "kernel"\?/],
  [['--kernel-mode', 'nth'], /--kernel-mode needs --engine kernel/],
  [['--weights', '3,x'], /weight "x" must be a whole number/],
  [['--weights', '3,-1'], /weight "-1" must be a whole number/],
  [['--weights', '1,2', '--wans', '3'], /2 weights do not fit 3 WANs/],
  [['--wans', '33'], /wans "33" must be a whole number, 1 to 32/],
  [['--connections', '0'], /connections "0" must be/],
  [['--connections', '1e9'], /connections "1e9" must be/],
  [['--strategy', 'wieghted'], /did you mean "weighted"/],
  [
    ['--policies', '--weights', '5,3'],
    /lab --policies has WANs and a strategy of its own; leave --weights out/,
  ],
  [['--policies', '--connections', '0'], /connections "0" must be/],
  [['--share-port'], /unknown option --share-port; did you mean "?--shared-port/],
];
describe('a mistake is one line and exit 2', () => {
  const commandLines = CommandLines.here();
  after(() => commandLines.end());
  for (const [args, message] of MISTAKES) {
    test(`lab ${args.join(' ')}`, async () => {
      const { status, stdout, stderr } = await commandLines.run('lab', ...args);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.equal(stderr.split('\n').length, 2);
    });
  }
});
