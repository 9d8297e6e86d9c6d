import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Status } from '#wanmark/control/status.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { childrenOf, type Program } from '#wanmark/lab/program.js';
import { BenchDaemon } from './daemon.js';
import { marksOf } from './marks.js';
import { buildGo, built, source } from './programs.js';
import { queuesOn } from './waiting.js';

/** A selector that runs. */
export interface Running {
  /** The process whose CPU time counts; undefined where no process selects. */
  readonly pid: number | undefined;
  /** Packets since its start that were dropped or that the kernel had to decide. The queue must be empty. */
  missed(): Promise<number>;
  /** Decisions for each WAN since its start; undefined where the selector does not count them. */
  picks(): Promise<readonly number[] | undefined>;
  /** @throws {Error} when the selector has ended by itself */
  check(): void;
  stop(): Promise<void>;
}

/** One of the selectors that are compared. */
export interface Contender {
  readonly name: string;
  /** Arguments of `wanmark up` for the rules that the selector needs; undefined: it needs none. */
  readonly rules: readonly string[] | undefined;
  /** Why the selector cannot run on this machine; undefined when it can. */
  absent(): string | undefined;
  /**
   * Starts the selector, whose rules must be up.
   * @param sent counts the connections that the benchmark has made so far
   */
  start(lab: Lab, sent: () => number): Promise<Running>;
}

const QUEUE = 0;
/** A long deadline: after a late answer the kernel decides, and there is no decision of ours to measure. */
const PATIENCE = ['--deadline', '10000'];

/** A contender that is `wanmark run` with these arguments. */
export function ours(name: string, directory: string, ...args: string[]): Contender {
  return {
    name,
    rules: sharedFlags(args),
    absent: () => undefined,
    start: async (lab, sent) => {
      const before = sent();
      const socket = join(directory, 'socket');
      const log = join(directory, 'log');
      const daemon = await BenchDaemon.startLogging(lab, socket, log, ...PATIENCE, ...args);
      // A daemon goes on counting where the one before it ended.
      const earlier = picksOf(await daemon.status(false));
      const picksSince = (status: Status) => picksOf(status).map((picks, i) => picks - earlier[i]!);
      return {
        pid: daemon.pid,
        missed: async () => {
          const status = await daemon.status(false);
          const { queue } = status;
          const counted = queue.kernelDecided + (queue.dropped ?? 0) + (queue.userDropped ?? 0);
          // The kernel does not count packets that pass because the queue is full (fail-open).
          const decided = picksSince(status).reduce((sum, picks) => sum + picks, 0);
          return Math.max(counted, sent() - before - decided);
        },
        picks: async () => picksSince(await daemon.status(false)),
        check: () => checkRuns(daemon.program),
        stop: () => daemon.stop(),
      };
    },
  };
}

/** Decisions for each WAN, by all policies, also those of earlier daemons. */
function picksOf({ wans, policies }: Pick<Status, 'wans' | 'policies'>): number[] {
  const members = policies.flatMap((policy) => policy.wans);
  return wans.map(({ name, picks }) =>
    members.reduce((sum, member) => (member.name === name ? sum + member.picks : sum), picks),
  );
}

/** The flags of the daemon that the rules must have, too. */
function sharedFlags(args: readonly string[]): string[] {
  const shared = ['--queues', '--policy', '--rule', '--engine', '--backend'];
  return args.filter((arg, i) => shared.includes(arg) || shared.includes(args[i - 1] ?? ''));
}

/** A contender without a process: rules choose, or nobody does. */
function rulesAlone(name: string, rules: readonly string[] | undefined): Contender {
  return {
    name,
    rules,
    absent: () => undefined,
    start: async () => ({
      pid: undefined,
      missed: async () => 0,
      picks: async () => undefined,
      check: () => {},
      stop: async () => {},
    }),
  };
}

/** The kernel's own `statistic` rules. */
export const STATISTIC = rulesAlone('statistic rules', ['--engine', 'kernel']);
/** The kernel's own choice by rules of nft. */
export const NFT_RULES = rulesAlone('rules of nft', ['--engine', 'kernel', '--backend', 'nft']);
/** A router that only routes and masquerades, with nothing of ours: all connections go by one WAN. */
export const NO_BALANCING = rulesAlone('no balancing', undefined);

/** A contender that is a program started with the queue and the marks as arguments. */
function program(
  name: string,
  argv: readonly string[],
  absent: () => string | undefined = () => undefined,
): Contender {
  return {
    name,
    rules: [],
    absent,
    start: async (lab) => {
      const marks = marksOf(lab).map(String);
      const running = lab.router.spawn([...argv, String(QUEUE), ...marks]);
      await running.waitForLine(/^ready$/);
      const [pid] = childrenOf(running.pid);
      if (pid === undefined) throw running.error('ended at once');
      return {
        pid,
        missed: () => dropped(lab),
        picks: async () => undefined,
        check: () => checkRuns(running),
        stop: () => end(running),
      };
    },
  };
}

function checkRuns(running: Program): void {
  if (!running.running) throw running.error('ended by itself');
}

async function end(running: Program): Promise<void> {
  await running.kill('SIGKILL');
  await running.exited;
}

/** Packets that the kernel dropped, by its two counters for the queue. */
async function dropped(lab: Lab): Promise<number> {
  const queue = (await queuesOn(lab.router)).find(({ num }) => num === QUEUE);
  return (queue?.dropped ?? 0) + (queue?.userDropped ?? 0);
}

/** The path of the python3 that has the module: with the PATH of a lab host another one may be found. */
const python = spawnSync('python3', ['-c', 'import sys, netfilterqueue; print(sys.executable)'], {
  encoding: 'utf8',
});

export const TEXTBOOK = program('textbook C loop', [built('textbook')]);
export const BATCHED = program('batched C loop', [built('batched')]);
export const NPM = program('npm nfqueue', [process.execPath, source('npm-nfqueue.cjs')], () =>
  existsSync(source('node_modules/nfqueue/build/Release/nfqueue.node'))
    ? undefined
    : 'the package is not built',
);
export const PYTHON = program(
  'Python NetfilterQueue',
  [(python.stdout ?? '').trim(), source('python-netfilterqueue.py')],
  () => (python.status === 0 ? undefined : 'python3 has no module netfilterqueue'),
);
export const GO = program('Go loop', [built('goloop')], buildGo);
