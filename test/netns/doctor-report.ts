import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Status } from '#wanmark/control/status.js';
import type { Finding } from '#wanmark/doctor/examinations.js';
import type { Env, Machine } from './rules-harness.js';

/** The report of `doctor --json`. */
export interface Report {
  readonly daemon: number | null;
  readonly wrong: number;
  readonly warnings: number;
  readonly findings: readonly Finding[];
}

/** What the command came to. */
export interface Seen {
  readonly status: number | null;
  readonly report: Report;
  /** What is not well, as `examination kind`. */
  readonly faults: readonly string[];
}

/** Runs `doctor` on a machine, with a configuration or that of the last `up`. */
export function doctor(machine: Machine, config?: RawConfig, env: Env = {}): Seen {
  const given = config === undefined ? [] : ['--config', machine.configFile(config)];
  const { status, stdout, stderr } = machine.command(['doctor', '--json', ...given], { env });
  assert.equal(stderr, '');
  const report = JSON.parse(stdout) as Report;
  const faults = report.findings.filter(({ level }) => level !== 'ok');
  return { status, report, faults: faults.map(({ examination, kind }) => `${examination} ${kind}`) };
}

/** The text of the first line of a kind, such as `rules missing`. */
export function lineOf({ findings }: Report, fault: string): string {
  const found = findings.find(({ examination, kind }) => `${examination} ${kind}` === fault);
  assert.ok(found, `${fault} in ${JSON.stringify(findings)}`);
  return found.text;
}

/** Demands lines of these kinds with these texts, and no other that is not well. */
export function saysOnly({ report, faults }: Seen, expected: Readonly<Record<string, RegExp>>): void {
  const unseen = Object.entries(expected).filter(
    ([fault, text]) =>
      !report.findings.some((one) => `${one.examination} ${one.kind}` === fault && text.test(one.text)),
  );
  assert.deepEqual(unseen, [], JSON.stringify(report.findings, undefined, 1));
  // The namespace of another test's systemd-networkd cannot be read, so it counts as one of this machine.
  const ours = faults.filter((fault) => fault in expected || fault !== 'programs networkd');
  assert.deepEqual([...new Set(ours)].sort(), Object.keys(expected).sort());
}

/** Gives the machine another resolv.conf. */
export function nameServers(machine: Machine, text: string): void {
  const file = join(machine.directory, 'resolv.conf');
  writeFileSync(file, text);
  machine.sh(`umount /etc/resolv.conf 2>/dev/null || :; mount --bind ${file} /etc/resolv.conf`);
}

/** How many checks have had an answer, as the daemon says; none before it answers itself. */
export function answered(machine: Machine): number {
  const { stdout } = machine.command(['status', '--json']);
  const wans = stdout === '' ? [] : (JSON.parse(stdout) as Status).wans;
  return wans.flatMap(({ checks }) => checks ?? []).filter((one) => one.answered > 0).length;
}
