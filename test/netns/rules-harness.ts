/**
 * A machine of its own for the rules tests: a user, network and mount namespace in which the tests are root,
 * and three WANs in it.
 *
 * ```
 *  client 10.9.0.2 --- lan0 [router] w1 192.0.1.2 --- g1 192.0.1.1 [inet] 203.0.113.1, 2001:db8:ff::1
 *                                    w2 192.0.2.2 --- g2 192.0.2.1
 *                                    w3 192.0.3.2 --- g3 192.0.3.1
 * ```
 * `inet` is every gateway and the server in one, with strict rp_filter, so that a packet with a WAN's source
 * address that comes in by another WAN is lost, as a provider would lose it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RawConfig } from '#wanmark/config/options.js';
import { installApplets } from '../helpers/applets.js';
import { isVariantTried, TRIES_NFT, tried } from '../helpers/backend.js';
import { MAIN } from '../helpers/main.js';
import type { Refresh } from './rules-actor.js';
import { ActorPipe } from './rules-actor-pipe.js';
import type { Call } from './rules-peer.js';

export const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url));
export const WANMARK = MAIN;
/** A machine has a /run of its own, and no /var/lib. */
process.env.WANMARK_STATE ??= '/run/wanmark-state';
export const ACTOR = fileURLToPath(new URL('./rules-actor.js', import.meta.url));
const PEER = fileURLToPath(new URL('./rules-peer.js', import.meta.url));

/** An answer that a loaded machine has not given after this time is not coming. */
export const PATIENT_MS = 30_000;
/** Between two looks at a condition. */
const PAUSE_MS = 20;
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** The server's addresses: what the main table knows only by its default route. */
export const SERVER = '203.0.113.1';
export const SERVER6 = '2001:db8:ff::1';

export interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
}

export type Env = Record<string, string>;

/**
 * The iptables variants, each with the environment that selects it. WANMARK_TEST_BACKEND=iptables-legacy leaves one of them;
 * whoever sets it sees to it that `iptables` is of that variant (test/kernels).
 */
export const VARIANTS: Record<string, Env> = Object.fromEntries(
  Object.entries({
    nft: { IPTABLES: 'iptables', IP6TABLES: 'ip6tables' },
    legacy: { IPTABLES: 'iptables-legacy', IP6TABLES: 'ip6tables-legacy' },
  }).filter(([name]) => isVariantTried(name)),
);

/** The `wan` option: as many WANs as weights; `more` is added to each, such as `nat=none,tier=2`. */
export function wans(weights: readonly number[], more: readonly string[] = []): string[] {
  return weights.map((weight, i) => {
    const k = i + 1;
    const keys = [`dev=w${k}`, `via=192.0.${k}.1`, `via6=2001:db8:${k}::1`, `weight=${weight}`];
    return [`wan${k}`, ...keys, ...(more[i] ? [more[i]] : [])].join(',');
  });
}

/** How a command is run. */
export interface How {
  readonly env?: Env;
  /** The program that is the executor's `sh`, such as `busybox`, with which all its applets come. */
  readonly shell?: string;
  /** Words in front of the command, which is then a process of its own. */
  readonly before?: string;
}

export class Machine {
  private readonly holder: ChildProcess;
  private readonly children: ChildProcess[] = [];
  /** The machine's peers, by their network namespaces. */
  private readonly callers = new Map<string | undefined, Caller>();
  /** Those who run commands, by their environment. */
  private readonly actors = new Map<string, ActorPipe>();
  /** The first port of the next call's sockets; no two sockets of a machine have the same. */
  private firstPort = 10_000;
  /** A folder for files that are read by path: configurations, and folders for PATH. */
  readonly directory = mkdtempSync(join(tmpdir(), 'wanmark-test-'));

  private constructor(holder: ChildProcess) {
    this.holder = holder;
  }

  /** Its root directory, as it is seen from outside. */
  get root(): string {
    return `/proc/${this.holder.pid}/root`;
  }

  /** @param users whether there are other users than root, for which the tests must be root outside, too */
  static async start({ users = false } = {}): Promise<Machine> {
    const inside = 'mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec cat';
    const argv = users
      ? ['-U', 'sh', '-c', `echo mapped && read mapped && exec unshare -nm sh -c '${inside}'`]
      : ['-Urnm', 'sh', '-c', inside];
    const holder = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    const machine = new Machine(holder);
    const lines = createInterface(holder.stdout!)[Symbol.asyncIterator]();
    if (users) {
      await lines.next();
      for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${holder.pid}/${map}`, '0 0 65536');
      holder.stdin!.write('yes\n');
    }
    const { value: first } = await lines.next();
    if (first !== 'ready') throw new Error('this machine allows no user namespace; run the tests as root');
    return machine;
  }

  /** The argv that runs `argv` inside, in the named network namespace of the machine if one is given. */
  private inside(argv: string[], netns?: string): string[] {
    const enter = ['-t', String(this.holder.pid), '-U', '-n', '-m', '--preserve-credentials'];
    return [...enter, ...(netns ? ['ip', 'netns', 'exec', netns] : []), ...argv];
  }

  /** Runs a shell script inside; never throws. */
  attempt(script: string, env: Env = {}, netns?: string): Result {
    const options = { encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 1 << 26 } as const;
    const { status, stdout, stderr } = spawnSync(
      'nsenter',
      this.inside(['sh', '-c', script], netns),
      options,
    );
    return { status, stdout, stderr };
  }

  /** Runs a shell script inside (with `set -e`) and returns its output. */
  sh(script: string, env: Env = {}, netns?: string): string {
    const result = this.attempt(`set -e\n${script}`, env, netns);
    if (result.status !== 0) throw new Error(`${script}\nexit ${result.status}: ${result.stderr}`);
    return result.stdout;
  }

  /** Runs `wanmark VERB`, with a configuration if the verb takes one. What changes the rules shows its commands. */
  wanmark(verb: string, config?: RawConfig, how: How = {}): Result {
    const given = config === undefined ? [] : ['--config', this.configFile(config)];
    const verbose = ['up', 'down', 'refresh'].includes(verb) ? ['--verbose'] : [];
    return this.command([verb, ...verbose, ...given], how);
  }

  /** Runs `wanmark` with these arguments. */
  command(args: readonly string[], { env = {}, shell, before }: How = {}): Result {
    const path = shell === undefined ? {} : { PATH: `${this.shellFolder(shell)}:${process.env.PATH}` };
    const all = { ...env, ...path };
    if (before === undefined) return this.actor(all).command(args);
    const words = args.map((word) => `'${word}'`).join(' ');
    return this.attempt(`${before} ${process.execPath} ${WANMARK} ${words}`, all);
  }

  private actor(env: Env): ActorPipe {
    const key = JSON.stringify(env);
    let actor = this.actors.get(key);
    if (actor === undefined) {
      const argv = ['nsenter', ...this.inside([process.execPath, ACTOR])];
      actor = new ActorPipe(argv, { ...process.env, ...env }, this.directory);
      this.actors.set(key, actor);
      this.children.push(actor.child);
    }
    return actor;
  }

  /** The configuration as a file, for a command line. */
  configFile(config: RawConfig): string {
    const file = join(this.directory, 'config.json');
    writeFileSync(file, JSON.stringify(tried(config)));
    return file;
  }

  private shellFolder(shell: string): string {
    const folder = join(this.directory, shell);
    if (existsSync(folder)) return folder;
    mkdirSync(folder);
    if (shell === 'busybox') installApplets(folder);
    else symlinkSync(this.sh(`command -v ${shell}`).trim(), join(folder, 'sh'));
    return folder;
  }

  /** Refreshes as the daemon does, with what it knows. */
  refresh(refresh: Refresh, env: Env = {}): Result {
    return this.actor(env).refresh(refresh);
  }

  /** Starts the peer program (rules-peer.ts), or another one, inside. */
  async peer(args: string[], netns?: string, program = PEER, env: Env = {}): Promise<Peer> {
    return new Peer(this.spawnPeer(args, netns, program, env));
  }

  /** Starts a shell script inside, which goes on until its input ends. */
  hold(script: string): Peer {
    const child = spawn('nsenter', this.inside(['sh', '-c', `${script}\nexec cat`]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.children.push(child);
    return new Peer(child);
  }

  private spawnPeer(args: string[], netns?: string, program = PEER, env: Env = {}): ChildProcess {
    const settings = Object.entries(env).map((pair) => pair.join('='));
    const argv = this.inside(['env', ...settings, process.execPath, program, ...args], netns);
    const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.children.push(child);
    return child;
  }

  /** The first port of the next call's sockets. */
  get nextPort(): number {
    return this.firstPort;
  }

  /**
   * The lines that a call (rules-peer.ts) answers with.
   * @param patienceMs how long each connection waits; for one that is to fail in silence, the time that the test takes
   * @param port the first port of its sockets, where the test needs to know it; no two calls have the same
   */
  call(args: string[], netns?: string, patienceMs = PATIENT_MS, port?: number): Promise<string[]> {
    let caller = this.callers.get(netns);
    if (!caller) {
      caller = new Caller(this.spawnPeer(['call'], netns));
      this.callers.set(netns, caller);
    }
    const firstPort = port ?? this.firstPort;
    if (port === undefined) this.firstPort += Number(args[1]);
    return caller.call({ args, firstPort, patienceMs });
  }

  /** Ends everything that was started and, with the last process, the namespaces. */
  async stop(): Promise<void> {
    for (const child of [...this.children, this.holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.stdin?.end();
      child.kill('SIGKILL');
      await ended;
    }
    for (const actor of this.actors.values()) actor.close();
    rmSync(this.directory, { recursive: true });
  }

  /** Builds the topology of the file's head. */
  buildNetwork(): void {
    this.sh(`
      ip netns add inet; ip netns add client
      for where in '' 'ip netns exec inet' 'ip netns exec client'; do
        $where sh -c 'for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $file; done
          echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode
          for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $file; done; ip link set lo up
          echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
      done
      for k in 1 2 3; do
        ip link add w$k type veth peer name g$k netns inet
        ip link set w$k up; ip -n inet link set g$k up
        ip addr add 192.0.$k.2/24 dev w$k; ip -n inet addr add 192.0.$k.1/24 dev g$k
        ip addr add 2001:db8:$k::2/64 dev w$k; ip -n inet addr add 2001:db8:$k::1/64 dev g$k
      done
      ip -n inet addr add ${SERVER}/32 dev lo; ip -n inet addr add ${SERVER6}/128 dev lo
      ip link add lan0 type veth peer name eth0 netns client
      ip link set lan0 up; ip -n client link set eth0 up
      ip addr add 10.9.0.1/24 dev lan0; ip -n client addr add 10.9.0.2/24 dev eth0
      ip addr add fd09::1/64 dev lan0; ip -n client addr add fd09::2/64 dev eth0
      ip -n client route add default via 10.9.0.1; ip -n client route add default via fd09::1
      ip route add default via 192.0.1.1; ip route add default via 2001:db8:1::1`);
    // Carrier comes up in the background, and some routes with it.
    this.until('[ "$(ip -o link show type veth | grep -c LOWER_UP)" = 4 ]');
    this.until('[ "$(ip -6 route show table local type multicast | grep -c .)" = 4 ]');
  }

  /**
   * Gives the router and the gateways link-local addresses. Without one, a kernel cannot resolve a neighbour for
   * packets that it forwards (ndisc_send_ns), and lives for a while on what the other side has asked.
   */
  addLinkLocal(): void {
    this.sh(`ip addr add fe80::1/64 dev lan0
      for k in 1 2 3; do
        ip addr add fe80::2/64 dev w$k; ip -n inet addr add fe80::1/64 dev g$k
      done`);
  }

  /** Waits until the shell condition holds. */
  until(condition: string, seconds = 120): void {
    const end = performance.now() + seconds * 1000;
    while (this.attempt(condition).status !== 0) {
      if (performance.now() > end) throw new Error(`never came true: ${condition}`);
      // Those who have to make it true get the processor.
      Atomics.wait(NEVER, 0, 0, PAUSE_MS);
    }
  }

  /** Everything that `up` may touch, as text without counters, dates and timers. */
  snapshot(): string {
    return this.sh(`
      for program in iptables ip6tables iptables-legacy ip6tables-legacy; do
        echo "== $program"; $program-save | sed -e '/^#/d' -e 's/ \\[[0-9:]*\\]$//'
      done
      for family in 4 6; do
        # Those of one priority do not depend on each other; which of them was made last does not matter.
        ip -$family rule | sort -n
        ip -$family route show table all | sed 's/ expires [0-9]*sec//'
      done
      grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all | sort`);
  }

  /** Loads the legacy tables, which cannot be unloaded again. */
  loadLegacy(): void {
    for (const table of ['mangle', 'nat', 'filter']) {
      this.sh(`iptables-legacy -t ${table} -S; ip6tables-legacy -t ${table} -S`);
    }
  }

  /** Whether rules of ours are in nft. */
  hasNft(): boolean {
    return TRIES_NFT && this.attempt('nft -t list table inet wanmark').status === 0;
  }

  /** The counters in nft of WANs and of questions to the daemon, as iptables-save prints those of rules. */
  private nftCounters(program: string): string {
    const family = program.startsWith('ip6') ? '6' : '4';
    const text = this.sh('nft list table inet wanmark');
    const lines = [...text.matchAll(/counter (\S+)_([46]) \{\s+packets (\d+) bytes (\d+)/g)]
      .filter(([, , of]) => of === family)
      .map(([, name, , packets, bytes]) => `[${packets}:${bytes}] --comment "wanmark ${name}"`);
    const chains = text.split('\tchain ').filter((chain) => chain.startsWith(`mangle${family}.`));
    const asked = /counter packets (\d+) bytes (\d+) queue /.exec(chains.join(''));
    if (asked !== null) lines.push(`[${asked[1]}:${asked[2]}] -j NFQUEUE`);
    return lines.map((line) => `${line}\n`).join('');
  }

  /** Packets counted by the first rule of the chain whose text contains `text`. */
  packets(program: string, table: string, text: string): number {
    const line = (this.hasNft() ? this.nftCounters(program) : '')
      .concat(this.sh(`${program}-save -c -t ${table}`))
      .split('\n')
      .find((candidate) => candidate.startsWith('[') && candidate.includes(text));
    if (line === undefined) throw new Error(`no rule with '${text}' in ${table}`);
    return Number(/^\[(\d+):/.exec(line)![1]);
  }
}

/** A peer that makes calls. */
class Caller {
  private calls = 0;
  private readonly open = new Map<number, { lines: string[]; end(lines: string[]): void }>();

  constructor(private readonly child: ChildProcess) {
    createInterface(child.stdout!).on('line', (line) => {
      const [, id, text] = /^(\d+)(?: (.*))?$/.exec(line)!;
      const call = this.open.get(Number(id))!;
      if (text !== undefined) call.lines.push(text);
      else {
        this.open.delete(Number(id));
        call.end(call.lines);
      }
    });
    child.on('exit', () => {
      for (const call of this.open.values()) call.end([...call.lines, 'failed: the caller ended']);
      this.open.clear();
    });
  }

  call(call: Omit<Call, 'id'>): Promise<string[]> {
    const id = ++this.calls;
    return new Promise((end) => {
      this.open.set(id, { lines: [], end });
      this.child.stdin!.write(`${JSON.stringify({ id, ...call })}\n`);
    });
  }
}

/** A running peer, which reads and writes lines. */
export class Peer {
  private readonly lines: AsyncIterator<string>;

  constructor(private readonly child: ChildProcess) {
    this.lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  }

  /** The next line, or undefined at the end. */
  async line(): Promise<string | undefined> {
    const { value, done } = await this.lines.next();
    return done ? undefined : value;
  }

  async rest(): Promise<string[]> {
    const all = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) all.push(line);
    return all;
  }

  /** Ends the peer's input, which ends a connection that it holds, and waits for its end. */
  async end(): Promise<void> {
    this.child.stdin!.end();
    await this.rest();
  }

  /** Sends a line and returns the answer. */
  ask(text: string): Promise<string | undefined> {
    this.tell(text);
    return this.line();
  }

  /** Sends a line. */
  tell(text: string): void {
    this.child.stdin!.write(`${text}\n`);
  }

  /** Sends a signal to the peer, and waits for its end. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.rest();
  }

  /** Stops the peer where it is, or lets it go on. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }
}

/** Counts how often each line occurs. */
export function tally(lines: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of lines) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
}
