import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { metricsText } from '#wanmark/metrics/metrics.js';
import { PACKAGES } from '../../helpers/beside.js';
import { needs, packages } from '../../helpers/requires.js';
import { checkStatusOf, statusSample, wanStatus } from '../../helpers/status-sample.js';

const DOCS = fileURLToPath(new URL('../../../docs/', import.meta.url));
const FOLDER = `${DOCS}prometheus/`;
const text = metricsText(
  statusSample({
    wans: [wanStatus('fibre', { checks: [checkStatusOf()] })],
    ahead: { writes: 1, failure: null, lost: 0 },
  }),
  '1',
);
const names = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);

describe('the documentation of metrics', () => {
  it('has each of them, with its type and labels, and no other', () => {
    const rows = [
      ...readFileSync(`${DOCS}metrics.md`, 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*)\|/gm),
    ];
    assert.deepEqual(rows.map(([, name, type]) => `${name} ${type}`).sort(), names.toSorted());
    for (const [, name, , labels] of rows) {
      const line = text.split('\n').find((one) => one.startsWith(name!) && !one.startsWith(`${name}_`))!;
      const told = [...line.matchAll(/(\w+)="/g)].map(([, label]) => `\`${label}\``).join(', ');
      assert.equal(labels!.trim(), told, name);
    }
  });

  it('asks in alerts and board only for metrics that there are', () => {
    const known = new Set(names.map((name) => name.split(' ')[0]));
    for (const file of ['alerts.yml', 'alerts-test.yml', 'grafana.json']) {
      const asked = readFileSync(`${FOLDER}${file}`, 'utf8').match(/\bwanmark_\w+/g)!;
      assert.deepEqual(
        asked.filter((name) => !known.has(name)),
        [],
        file,
      );
    }
  });

  it('has alerts that promtool takes, each of which fires in its test', needs(packages), () => {
    const promtool = (...args: string[]) =>
      spawnSync(`${PACKAGES}/usr/bin/promtool`, args, { cwd: FOLDER, encoding: 'utf8' });
    for (const args of [
      ['check', 'rules', 'alerts.yml'],
      ['test', 'rules', 'alerts-test.yml'],
    ]) {
      const { status, stdout, stderr } = promtool(...args);
      assert.equal(status, 0, stdout + stderr);
    }
    const alerts = readFileSync(`${FOLDER}alerts.yml`, 'utf8').match(/alert: (\w+)/g)!;
    const tests = readFileSync(`${FOLDER}alerts-test.yml`, 'utf8');
    const fires = (name: string) => new RegExp(`alertname: ${name}\\n +exp_alerts:\\n`).test(tests);
    assert.deepEqual(
      alerts.map((line) => line.slice('alert: '.length)).filter((name) => !fires(name)),
      [],
    );
  });
});
