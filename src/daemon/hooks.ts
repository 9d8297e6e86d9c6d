import { setMaxListeners } from 'node:events';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import type { HooksConfig } from '../config/hooks.js';
import { type EventSink, NO_EVENTS } from '../core/event.js';
import type { Family } from '../core/family.js';
import { printable, printableJson } from '../core/printable.js';
import type { States } from '../core/states.js';
import { type Wan, wanTarget } from '../core/wan.js';
import type { LimitedEnd } from '../system/limited.js';
import { programsAs, type RunProgram } from '../system/programs.js';
import { sinceDate, uplinkStatus } from './uplink-status.js';
import type { UplinkChange } from './uplinks.js';

/** How long a hook waits for the new routes, which it wants to see. After that, telling it matters more. */
const MOST_ACTING_MS = 10_000;
/** How long a hook may take to finish when the daemon ends. */
const GRACE_MS = 2000;

export interface HooksParts {
  readonly wans: readonly Wan[];
  readonly hooks: Omit<HooksConfig, 'user'>;
  /** Path of the control socket. */
  readonly socket: string;
  readonly states: Pick<States, 'state' | 'suspicion' | 'changes'>;
  readonly logger: Logger;
  readonly events?: EventSink;
  /** Told when telling a hook fails in an unexpected way. */
  readonly onFault: (error: unknown) => void;
  /** Runs a hook; as this process by default. */
  readonly run?: RunProgram;
  readonly mostActingMs?: number;
  readonly graceMs?: number;
}

interface Job {
  readonly change: UplinkChange;
  /** Settles when the change has been acted upon. */
  readonly acted: Promise<void>;
}

/** The changes of one WAN that no hook has been told of yet. */
interface Line {
  /** The latest change of each family, so two at most. */
  readonly waiting: Map<Family, Job>;
  /** Set while hooks run for the WAN. */
  work: Promise<void> | undefined;
}

/**
 * Runs the programs of `--hook` after each change of a WAN: one at a time for each WAN, several WANs side by side.
 * Nothing waits for them. While a hook is slow, a newer change of its WAN replaces an older one of the same family:
 * changes in between may be left out, but the last never is.
 */
export class Hooks {
  readonly #parts: HooksParts;
  readonly #run: RunProgram;
  readonly #lines = new Map<string, Line>();
  readonly #running = new Set<AbortController>();
  readonly #ending = new AbortController();

  constructor(parts: HooksParts) {
    this.#parts = parts;
    this.#run = parts.run ?? programsAs(undefined);
    // There are as many listeners as WANs.
    setMaxListeners(0, this.#ending.signal);
  }

  /** @param acted hooks are run when this settles, or takes too long */
  changed(change: UplinkChange, acted: Promise<void>): void {
    if (this.#parts.hooks.files.length === 0 || this.#ending.signal.aborted) return;
    const line: Line = this.#lines.get(change.wan) ?? { waiting: new Map(), work: undefined };
    this.#lines.set(change.wan, line);
    // A newer change takes the place of the older one in the order, so a family that keeps changing cannot keep the
    // other waiting.
    line.waiting.set(change.family, { change, acted });
    line.work ??= this.#work(line);
  }

  /** Drops changes that are waiting. A running hook has two seconds to end and is killed then. */
  async stop(): Promise<void> {
    this.#ending.abort();
    const kill = setTimeout(() => {
      for (const call of this.#running) call.abort();
    }, this.#parts.graceMs ?? GRACE_MS);
    await Promise.all([...this.#lines.values()].map(({ work }) => work));
    clearTimeout(kill);
  }

  async #work(line: Line): Promise<void> {
    const { hooks, onFault, mostActingMs = MOST_ACTING_MS } = this.#parts;
    for (;;) {
      const [job] = line.waiting.values();
      if (job === undefined || this.#ending.signal.aborted) break;
      line.waiting.delete(job.change.family);
      await settled(job.acted, mostActingMs, this.#ending.signal);
      for (const file of hooks.files) {
        if (this.#ending.signal.aborted) return;
        // The next change must not wait for ever for one that failed.
        await this.#call(file, job.change).catch(onFault);
      }
    }
    line.work = undefined;
  }

  async #call(file: string, change: UplinkChange): Promise<void> {
    const { wans, hooks, socket } = this.#parts;
    const wan = wans.find(({ name }) => name === change.wan);
    // It is gone from the configuration meanwhile.
    if (wan === undefined) return;
    const call = new AbortController();
    this.#running.add(call);
    const end = await this.#run([file], {
      env: environment(wan, change, socket),
      bareEnv: true,
      input: `${printableJson(JSON.stringify(this.#description(wan, change)))}\n`,
      timeoutMs: hooks.timeoutMs,
      signal: call.signal,
    });
    this.#running.delete(call);
    if (end.code !== 0) this.#failed(file, change, end);
  }

  /** The change that is told, and the states of all WANs at this moment. */
  #description(wan: Wan, { family, up, reason, since, lastedMs }: UplinkChange): object {
    const { wans, states } = this.#parts;
    return {
      wan: wan.name,
      dev: wan.dev,
      family,
      state: up ? 'up' : 'down',
      reason,
      since: sinceDate(since),
      lasted: Math.round(lastedMs / 1000),
      wans: wans.flatMap((one) =>
        uplinkStatus(wanTarget(one), states).families.map((state) => ({
          name: one.name,
          dev: one.dev,
          ...state,
        })),
      ),
    };
  }

  #failed(file: string, { wan, family, up }: UplinkChange, { code, why, said }: LimitedEnd): void {
    const { logger, hooks, events = NO_EVENTS } = this.#parts;
    const limit = hooks.timeoutMs / 1000;
    const how =
      code !== undefined
        ? `failed with exit code ${code}`
        : why === 'timeout'
          ? `was killed after ${limit} s, its time limit`
          : why === 'cancelled'
            ? 'was killed: the daemon ends'
            : why?.startsWith('not run')
              ? `was ${why}`
              : `failed: ${why}`;
    logger.warn({ wan, family, action: action(up), hook: file, said }, `a hook ${how}`);
    events.note({ kind: 'hook', target: wan, family, hook: file, error: how });
  }
}

/** The words of mwan3.user. Its ifup and ifdown tell of the system's interfaces, which a daemon knows nothing about. */
function action(up: boolean): string {
  return up ? 'connected' : 'disconnected';
}

/** The variables that a hook gets besides its input; the socket lets `wanmark status` find the daemon that called. */
function environment(wan: Wan, { family, up, reason }: UplinkChange, socket: string): Record<string, string> {
  return {
    ACTION: action(up),
    INTERFACE: wan.name,
    DEVICE: wan.dev,
    WANMARK_FAMILY: String(family),
    // The reason may quote a user's check, and a NUL cannot be passed on.
    WANMARK_REASON: printable(reason.replaceAll(/\p{Cc}+/gu, ' ')),
    WANMARK_SOCKET: resolve(socket),
  };
}

/** Resolves when `done` settles, after `ms`, or at `signal`, whichever is first. */
function settled(done: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish);
    done.then(finish, finish);
  });
}
