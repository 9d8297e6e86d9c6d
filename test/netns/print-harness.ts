/** Printed scripts beside `wanmark up`, on the machine of the rule tests. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNetwork, widest } from '#wanmark/plan/network.js';
import type { Env, Machine, Result } from './rules-harness.js';

/** A printed script in a file. */
export class Script {
  readonly #dir = mkdtempSync(join(tmpdir(), 'wanmark-print-'));
  readonly file = join(this.#dir, 'balance.sh');
  #text: string;

  constructor(machine: Machine, args: readonly string[], env: Env = {}) {
    const { status, stdout, stderr } = machine.command(['print', ...args], { env });
    if (status !== 0) throw new Error(`print: exit ${status}: ${stderr}`);
    this.#text = stdout;
    writeFileSync(this.file, stdout);
  }

  /** Changes a setting at the top of the script, as a person would. */
  set(name: string, value: string | number): void {
    const text = this.#text.replace(new RegExp(`^${name}=\\S*`, 'm'), `${name}=${value}`);
    if (text === this.#text) throw new Error(`no setting ${name}`);
    this.#text = text;
    writeFileSync(this.file, text);
  }

  /** @param how `path` is a folder in front of PATH, `only` one that is all of it */
  run(machine: Machine, verb: string, { shell = 'sh', path = '', only = '', before = '' } = {}): Result {
    const programs = only ? `PATH=${only}` : path && `PATH=${path}:$PATH`;
    return machine.attempt(`${programs} ${before} ${shell} ${this.file} ${verb}`);
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true });
  }
}

/** A directory for PATH with small programs. */
export class Programs {
  readonly dir = mkdtempSync(join(tmpdir(), 'wanmark-programs-'));

  add(name: string, body: string): void {
    writeFileSync(join(this.dir, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true });
  }
}

/**
 * Everything of ours, for a comparison. The order of tables and chains does not matter, nor does that of the networks
 * left alone. A network that another one covers is not compared, since a plan leaves it out.
 */
export function ours(machine: Machine, programs: readonly string[]): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const program of programs) {
    for (const [name, lines] of chains(machine.sh(`${program}-save`))) {
      const alone = lines.filter((line) => isLeftAlone(line));
      all[`${program} ${name}`] = lines.filter((line) => !isLeftAlone(line));
      if (alone.length > 0) all[`${program} ${name} networks`] = destinations(alone);
    }
  }
  for (const family of [4, 6]) {
    all[`rules ${family}`] = machine.sh(`ip -${family} rule show`).split('\n').toSorted();
    all[`routes ${family}`] = machine
      .sh(`ip -${family} route show table all proto 119`)
      .split('\n')
      .map((line) => line.replace(/ (pref medium|expires \S+)/g, '').trim())
      .toSorted();
  }
  all.settings = machine.sh('grep . /proc/sys/net/ipv4/conf/*/src_valid_mark');
  return all;
}

/** Rules by table and chain. */
function chains(saved: string): Map<string, string[]> {
  const all = new Map<string, string[]>();
  let table = '';
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) table = line;
    else if (line.startsWith(':')) all.set(`${table} ${line.slice(1).split(' ', 1)[0]}`, []);
    else if (line.startsWith('-A')) all.get(`${table} ${line.split(' ', 2)[1]}`)!.push(line);
  }
  return all;
}

const LEFT_ALONE = /^-A WANMARK_NEW -d (\S+) -j RETURN$/;

function isLeftAlone(line: string): boolean {
  return LEFT_ALONE.test(line);
}

function destinations(lines: readonly string[]): string[] {
  return widest(lines.map((line) => parseNetwork(LEFT_ALONE.exec(line)![1]!)!)).map(({ text }) => text);
}
