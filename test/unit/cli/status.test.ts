import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectionLines } from '#wanmark/cli/connections-text.js';
import { fitted, type Line, lineText, lineWidth } from '#wanmark/cli/screen/line.js';
import { kernelLines, statusLines } from '#wanmark/cli/status-text.js';
import type { ConnectionV1 } from '#wanmark/control/connections.js';
import { evidenceOf } from '#wanmark/control/evidence.js';
import type { CheckStatus, KernelStatus, Status, WanStatus } from '#wanmark/control/status.js';
import { busyWan } from '../../helpers/status-sample.js';

const ago = (seconds: number) => new Date(Date.now() - 1000 * seconds).toISOString();

const wan = (name: string, change: Partial<WanStatus> = {}) => busyWan(name, ago(7300), change);

const QUEUE = {
  num: 0,
  verdicts: 60,
  waiting: 0,
  dropped: 0,
  userDropped: 0,
  kernelDecided: 0,
  late: 0,
  length: 8192,
};

function status(wans: readonly WanStatus[]): Status {
  return {
    pid: 402,
    uptimeSeconds: 3725,
    strategy: 'weighted',
    queue: QUEUE,
    queues: [QUEUE],
    faults: { threw: 0, noCandidate: 0, late: 0 },
    wans,
    sticky: null,
    policies: [],
    serviceQueue: null,
    serviceFaults: null,
    services: [],
    notes: [],
  };
}

const ping = (change: Partial<CheckStatus> = {}): CheckStatus => ({
  kind: 'ping',
  family: 4,
  targets: ['1.1.1.1', '9.9.9.9', '8.8.8.8'],
  at: ago(2),
  answered: 2,
  rttMs: 8.1,
  loss: 0,
  unknown: null,
  probes: [],
  ...change,
});

const texts = (lines: readonly Line[]) => lines.map((line) => lineText(line, false));

describe('status for people', () => {
  it('fits 80 columns with the longest names, and shows each WAN, why it is up, and its bytes', () => {
    const long = 'a-long-name-123';
    const lines = statusLines(
      status([
        wan('fibre', { checks: [ping()] }),
        wan(long, { dev: long, state: 'suspected', picks: 1e9, connections: 1e6 }),
      ]),
      80,
    );
    assert.deepEqual(
      fitted(lines, 80, true).filter((text) => text.length > 80 && !text.includes('\x1b')),
      [],
    );
    const tables = lines.filter((line) => line.length > 1);
    assert.deepEqual(
      tables.map(lineWidth).filter((width) => width > 80),
      [],
    );
    assert.match(texts(lines).join('\n'), /\nfibre: up for 2 h 1 min, 2 of 3 targets, 8.1 ms, 0 % loss\n/);
  });

  it('says "carrier only" of a WAN that nothing asks', () => {
    assert.deepEqual(texts(statusLines(status([wan('fibre')]), 80)).slice(0, 6), [
      'wanmark 402, up 1 h 2 min, strategy weighted',
      'WAN    state  weight  tier  conns  picks   share  target',
      'fibre  up          5     1    412   8312  83.3 %  83.3 %',
      'fibre: up for 2 h 1 min, carrier only',
      'WAN    device         in        out  bytes in  bytes out',
      'fibre  eth1    94.2 Mb/s  12.1 Mb/s    3.2 GB     410 MB',
    ]);
  });

  it('says why one is down, by family where they differ', () => {
    const reason = 'device eth1 has no carrier';
    const down = { state: 'down' as const, since: ago(5), reason };
    const one = texts(statusLines(status([wan('fibre', { ...down })]), 80));
    assert.ok(one.includes('fibre: down for 5 s, device eth1 has no carrier'), one.join('\n'));
    const families = [
      { family: 4, state: 'up', since: ago(60), reason: 'not checked', upAt: null, changes: 0 },
      { family: 6, upAt: null, changes: 1, ...down },
    ] as const;
    const both = texts(statusLines(status([wan('fibre', { families })]), 80));
    assert.ok(both.includes('fibre IPv6: down for 5 s, device eth1 has no carrier'), both.join('\n'));
  });

  it('shows policies with their shares', () => {
    const { traffic: _, ...member } = wan('fibre', { share: 1, target: 0.5 });
    const policies = [{ name: 'voip', strategy: 'failover', none: 'main', sticky: null, wans: [member] }];
    const lines = texts(statusLines({ ...status([wan('fibre')]), policies }, 80));
    const at = lines.indexOf('policy voip, strategy failover, without a WAN: main');
    assert.equal(lines[at + 2], 'fibre  up          5     1   8312  100.0 %  50.0 %');
  });

  it('shows what is known without a daemon', () => {
    const kernel: KernelStatus = {
      pid: null,
      engine: 'nfqueue',
      wans: [{ ...wan('fibre'), state: 'down', since: ago(65), reason: 'no answers', target: 0 }],
      policies: [{ name: 'voip', none: 'main', wans: [{ ...wan('fibre'), target: 1 }] }],
      notes: [],
    };
    const lines = texts(kernelLines(kernel, 80));
    assert.match(lines[0]!, /^no daemon answers: the rules choose, by weight/);
    assert.ok(lines.includes('fibre  down        5     1    412   0.0 %'), lines.join('\n'));
    assert.ok(lines.includes('fibre: down for 1 min 5 s, no answers'));
    assert.match(texts(kernelLines({ ...kernel, engine: 'kernel' }, 80))[0]!, /^engine kernel: /);
  });
});

describe('the evidence for a WAN', () => {
  const by = (...checks: CheckStatus[]) => evidenceOf({ checks, reason: 'ping: 1 of 1 rounds passed' });

  it('is what its checks found in their last round, the worst of them', () => {
    assert.equal(by(ping()), '2 of 3 targets, 8.1 ms, 0 % loss');
    assert.equal(by(ping({ answered: 3, rttMs: 31.4, loss: 0.033 })), '3 targets, 31 ms, 3.3 % loss');
    assert.equal(by(ping({ answered: 1, targets: ['x'], rttMs: null, loss: 1 })), '1 target, 100 % loss');
    assert.equal(by(ping({ answered: 3 }), ping({ answered: 1 })), '1 of 3 targets, 8.1 ms, 0 % loss');
  });

  it('is "carrier only" where nothing asks, and not known where asking found nothing out', () => {
    assert.equal(evidenceOf({ checks: [], reason: 'not checked' }), 'carrier only');
    const awaited = [{ kind: 'ping', family: 4, targets: ['x'] }] as const;
    assert.equal(evidenceOf({ checks: [], reason: 'not checked', awaited }), 'first check under way');
    assert.equal(by(), '', 'when the last of its checks was taken away');
    assert.equal(by(ping({ unknown: 'socket: EMFILE' })), 'not known, socket: EMFILE');
  });
});

describe('connections for people', () => {
  const one: ConnectionV1 = {
    family: 4,
    proto: 'tcp',
    src: '10.0.0.11',
    sport: 40_001,
    dst: '203.0.113.10',
    dport: 443,
    wan: 'fibre',
    policy: 'voip',
    state: 'ESTABLISHED',
    since: ago(182),
    bytes: { out: 1.2e6, back: 3.3e7 },
  };
  const lines = (connections: readonly ConnectionV1[], found = connections.length) =>
    texts(connectionLines({ api: 1, found, connections }, Date.now()));

  it('are two lines each', () => {
    assert.deepEqual(lines([one]), [
      'tcp 10.0.0.11:40001 -> 203.0.113.10:443 ESTABLISHED',
      '    fibre, policy voip, 3 min 2 s old, 1.2 MB out, 33.0 MB back',
      '1 connection',
    ]);
    const six = { ...one, family: 6 as const, src: 'fd00::1', dst: '2001:db8::1' };
    assert.equal(lines([six])[0], 'tcp [fd00::1]:40001 -> [2001:db8::1]:443 ESTABLISHED');
    assert.equal(
      lines([{ ...one, proto: 'icmp', sport: 0, dport: 0 }])[0],
      'icmp 10.0.0.11 -> 203.0.113.10 ESTABLISHED',
    );
  });

  it('say how to see what is not known, and that there are more', () => {
    const all = lines([{ ...one, since: null, bytes: null, policy: null }], 412);
    assert.deepEqual(all.slice(1), [
      '    fibre',
      '412 connections, 1 of them here; --limit shows more',
      'their age is not known: sysctl -w net.netfilter.nf_conntrack_timestamp=1 (for those that begin then)',
      'their bytes are not counted: sysctl -w net.netfilter.nf_conntrack_acct=1 (for those that begin then)',
    ]);
    assert.deepEqual(lines([]), ['no connections']);
  });
});
