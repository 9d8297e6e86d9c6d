/** Printed scripts beside `wanmark up`, on the machine of the rule tests. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNetwork, widest } from '#wanmark/plan/network.js';
import { isBackendTried } from '../helpers/backend.js';
import { nftQueue } from '../helpers/requires.js';
import { type Env, type Machine, type Result, VARIANTS } from './rules-harness.js';

/** Who has the rules of a script: iptables of either variant, or nft alone. */
export interface By {
  readonly name: string;
  /** The environment that selects it. */
  readonly env: Env;
  /** The programs of iptables that have rules of ours; none with nft. */
  readonly programs: readonly string[];
}

/** All that are tried, with the requirements of the machine. */
export const ALL_BY: readonly By[] = [
  ...Object.entries(VARIANTS).map(([name, env]) => ({
    name,
    env,
    programs: [env.IPTABLES!, env.IP6TABLES!],
  })),
  ...(isBackendTried('nft') ? [{ name: 'nft alone', env: {}, programs: [] }] : []),
];

/** Those by which tests go that concern the rules of no variant of iptables. */
export const BOTH_BY = ALL_BY.filter(({ name }) => name !== 'legacy');

/** The options with which a script's rules are those of `by`. A kernel without a queue for nft chooses by itself. */
export function argsBy({ programs }: By, args: readonly string[]): string[] {
  if (programs.length > 0) return [...args];
  const own = args.filter((word) => word !== '--forward-accept');
  const alone = !own.includes('--engine') && nftQueue() !== undefined ? ['--engine', 'kernel'] : [];
  return [...own, ...alone, '--firewall', 'nft'];
}

/** `--wan` for each of the machine's WANs; `more` is added to each. */
export const wans = (more: readonly string[] = ['', '', '']) =>
  more.flatMap((text, i) => [
    '--wan',
    `wan${i + 1},dev=w${i + 1},via=192.0.${i + 1}.1,via6=2001:db8:${i + 1}::1${text}`,
  ]);

/** Options of services of every kind, where WAN 1 is. */
export const SERVICES = [
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

/** The kernel chooses, in turn. */
export const KERNEL = ['--engine', 'kernel', '--kernel-mode', 'nth'];

/** How a script is run. */
export interface RunHow {
  readonly shell?: string;
  /** A folder in front of PATH. */
  readonly path?: string;
  /** A folder that is all of PATH. */
  readonly only?: string;
  /** Words in front of the shell. */
  readonly before?: string;
}

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

  run(machine: Machine, verb: string, how: RunHow = {}): Result {
    const { shell = 'sh', path = '', only = '', before = '' } = how;
    const programs = only ? `PATH=${only}` : path && `PATH=${path}:$PATH`;
    return machine.attempt(`${programs} ${before} ${shell} ${this.file} ${verb}`);
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true });
  }
}

/** Lends a script, which is down again and gone afterwards. */
export function withScript(
  machine: Machine,
  args: readonly string[],
  env: Env,
  use: (script: Script) => void,
): void {
  const script = new Script(machine, args, env);
  try {
    use(script);
  } finally {
    script.run(machine, 'down');
    script.remove();
  }
}

/** Runs a script, which must succeed. @returns what it said on standard error */
export function succeed(machine: Machine, script: Script, verb: string, how: RunHow = {}): string {
  const { status, stderr } = script.run(machine, verb, how);
  assert.equal(status, 0, stderr);
  return stderr;
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
 * @param programs of iptables; without any, nft has the rules
 */
export function ours(machine: Machine, programs: readonly string[]): Record<string, unknown> {
  const all: Record<string, unknown> = programs.length === 0 ? nftChains(machine) : {};
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

/**
 * The rules of our nft table by chain, with the elements of a set in place of its name: a script calls a set by the variable
 * that it is about. A chain to which nothing leads is left out: one for a mark that the script could give.
 */
function nftChains(machine: Machine): Record<string, unknown> {
  const parts = new Map<string, string[]>();
  let part: string[] = [];
  for (const line of machine.sh('nft -s list table inet wanmark').split('\n')) {
    if (/^\t\w/.test(line)) {
      part = [];
      parts.set(line.trim(), part);
    } else part.push(line.trim());
  }
  const sets = new Map(
    [...parts].flatMap(([head, lines]) => {
      const elements = /elements = \{(.*)\}/.exec(lines.join(' '))?.[1] ?? '';
      const name = /^set (\S+)/.exec(head)?.[1];
      return name === undefined ? [] : [[name, elements.split(',').map((one) => one.trim())] as const];
    }),
  );
  const text = [...parts.values()].flat().join('\n');
  const isAsked = (head: string) => {
    const name = /^chain (\S+)/.exec(head)?.[1];
    return name === undefined || new RegExp(`(jump|goto) ${name}( |,|$)`, 'm').test(text);
  };
  return Object.fromEntries(
    [...parts]
      .filter(([head, lines]) => !head.startsWith('set ') && (isAsked(head) || lines[0]?.includes(' hook ')))
      .map(([head, lines]) => [
        head,
        lines.map((line) =>
          line.replaceAll(/@(\S+)/g, (_, name) => `{ ${sets.get(name)?.toSorted().join(', ')} }`),
        ),
      ]),
  );
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
