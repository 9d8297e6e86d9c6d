import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import type { StatusV1 } from '#wanmark/control/status.js';
import { metricsText } from '#wanmark/metrics/metrics.js';
import { PACKAGES } from '../../helpers/beside.js';
import { needs, packages } from '../../helpers/requires.js';
import { checkStatusOf, queueStatus, statusSample, wanStatus } from '../../helpers/status-sample.js';

/** A status with something of everything. */
function whole(): StatusV1 {
  const fibre = wanStatus('fibre', {
    families: [
      {
        family: 4,
        state: 'suspected',
        since: '2026-03-01T12:00:00.500Z',
        reason: 'asked',
        upAt: null,
        changes: 4,
      },
      { family: 6, state: 'down', since: '2026-03-01T12:00:00.000Z', reason: 'dead', upAt: null, changes: 1 },
    ],
    checks: [
      checkStatusOf({ targets: ['192.0.2.1', 'dns.example'] }),
      checkStatusOf({ targets: ['192.0.2.1', 'dns.example'], rttMs: 9 }),
      checkStatusOf({ kind: 'tcp', family: 6, targets: ['dns.example'], rttMs: null, loss: 0.25 }),
    ],
  });
  const members = [
    {
      name: 'fibre',
      mark: 1,
      weight: 3,
      tier: 1,
      state: 'up',
      connections: 12,
      picks: 7,
      share: 1,
      target: 1,
    },
  ] as const;
  return statusSample({
    wans: [fibre, wanStatus('lte', { connections: null, traffic: null, tier: 2, weight: 0 })],
    policies: [{ name: 'web', strategy: 'weighted', none: 'main', sticky: null, wans: members }],
    queues: [queueStatus(0, { kernelDecided: 9, late: 6 }), queueStatus(1, { waiting: null, dropped: null })],
    serviceQueue: queueStatus(2),
    rules: { up: true, failure: 'a lock' },
  });
}

/** The lines of one metric, without its name. */
function valuesOf(text: string, name: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)))
    .map((line) => line.slice(name.length).trim());
}

describe('metricsText', () => {
  const text = metricsText(whole(), '9.9.9');

  it('says of each WAN and family whether it is up', () => {
    assert.deepEqual(valuesOf(text, 'wanmark_wan_up'), [
      '{wan="fibre",family="ipv4"} 1',
      '{wan="fibre",family="ipv6"} 0',
      '{wan="lte",family="ipv4"} 1',
    ]);
    assert.equal(valuesOf(text, 'wanmark_wan_suspected')[0], '{wan="fibre",family="ipv4"} 1');
    assert.equal(valuesOf(text, 'wanmark_wan_state_changes_total')[0], '{wan="fibre",family="ipv4"} 4');
    assert.equal(
      valuesOf(text, 'wanmark_wan_state_since_timestamp_seconds')[0],
      '{wan="fibre",family="ipv4"} 1772366400.5',
    );
  });

  it('has decisions by policy, and bytes by direction where they are counted', () => {
    assert.deepEqual(valuesOf(text, 'wanmark_wan_decisions_total'), [
      '{wan="fibre",policy="default"} 40',
      '{wan="lte",policy="default"} 40',
      '{wan="fibre",policy="web"} 7',
    ]);
    assert.deepEqual(valuesOf(text, 'wanmark_wan_bytes_total'), [
      '{wan="fibre",direction="in"} 5000',
      '{wan="fibre",direction="out"} 700',
    ]);
    assert.deepEqual(valuesOf(text, 'wanmark_wan_connections'), ['{wan="fibre"} 12']);
    assert.deepEqual(valuesOf(text, 'wanmark_wan_weight'), ['{wan="fibre"} 3', '{wan="lte"} 0']);
  });

  it('has checks in seconds, and adds up the probes of two checks to one target', () => {
    assert.deepEqual(valuesOf(text, 'wanmark_check_rtt_seconds'), [
      '{wan="fibre",family="ipv4",check="ping 192.0.2.1,dns.example"} 0.0081',
      '{wan="fibre",family="ipv4",check="ping 192.0.2.1,dns.example #2"} 0.009',
    ]);
    assert.deepEqual(valuesOf(text, 'wanmark_check_probes_total'), [
      '{wan="fibre",target="192.0.2.1",result="answered"} 60',
      '{wan="fibre",target="192.0.2.1",result="lost"} 4',
      '{wan="fibre",target="dns.example",result="answered"} 90',
      '{wan="fibre",target="dns.example",result="lost"} 6',
    ]);
  });

  it('tells for each queue what the kernel decided, and why', () => {
    assert.deepEqual(valuesOf(text, 'wanmark_kernel_decided_total').slice(0, 2), [
      '{queue="0",reason="late"} 6',
      '{queue="0",reason="undecided"} 3',
    ]);
    assert.deepEqual(valuesOf(text, 'wanmark_queue_waiting'), ['{queue="0"} 2', '{queue="2"} 2']);
    assert.deepEqual(valuesOf(text, 'wanmark_rules_intact'), ['0']);
    assert.deepEqual(valuesOf(text, 'wanmark_build_info'), ['{version="0.2.0"} 1']);
  });

  it('says that no daemon answers, and with bare marks nothing of the rules', () => {
    const none = metricsText(undefined, '9.9.9');
    assert.deepEqual(valuesOf(none, 'wanmark_daemon_up'), ['0']);
    assert.deepEqual(valuesOf(none, 'wanmark_build_info'), ['{version="9.9.9"} 1']);
    assert.deepEqual(valuesOf(none, 'wanmark_wan_up'), []);
    assert.deepEqual(valuesOf(metricsText(statusSample({ rules: null }), ''), 'wanmark_rules_intact'), []);
  });

  it('is as promtool wants it', needs(packages), () => {
    const options = { input: text, encoding: 'utf8' } as const;
    const { status, stdout, stderr } = spawnSync(
      `${PACKAGES}/usr/bin/promtool`,
      ['check', 'metrics'],
      options,
    );
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });
});
