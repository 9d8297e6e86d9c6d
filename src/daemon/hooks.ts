import { setMaxListeners } from 'node:events';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import type { HooksConfig } from '../config/hooks.js';
import type { Family } from '../core/family.js';
import type { States } from '../core/states.js';
import { type Wan, wanTarget } from '../core/wan.js';
import { type LimitedEnd, runLimited } from '../system/limited.js';
import { sinceDate, uplinkStatus } from './uplink-status.js';
import type { UplinkChange } from './uplinks.js';

/** A hook wants to see the new routes; should they take longer than this, telling matters more. */
const MOST_ACTING_MS = 10_000;
/** A hook that is in the middle of something may end it when the daemon ends, which must not take long. */
const GRACE_MS = 2000;

export interface HooksParts {
  readonly wans: readonly Wan[];
  readonly hooks: HooksConfig;
  /** Path of the control socket. */
  readonly socket: string;
  readonly states: Pick<States, 'state'>;
  readonly logger: Logger;
  readonly run?: typeof runLimited;
  readonly mostActingMs?: number;
  readonly graceMs?: number;
}

interface Job {
  readonly change: UplinkChange;
  /** Settles when the change has been acted upon. */
  readonly acted: Promise<void>;
}

/** One WAN's changes that no hook has been told of yet. */
interface Line {
  /** The latest of each family, so two at most. */
  readonly waiting: Map<Family, Job>;
  /** While hooks run for the WAN. */
  work: Promise<void> | undefined;
}

/**
 * Runs the programs of `--hook` after each change of a WAN, one at a time per WAN, those of several WANs side by side.
 * Nobody waits for them. While one is slow, changes of its WAN replace each other, in each family: those in between may
 * be left out, the last never is.
 */
export class Hooks {
  readonly #parts: HooksParts;
  readonly #run: typeof runLimited;
  readonly #lines = new Map<string, Line>();
  readonly #running = new Set<AbortController>();
  readonly #ending = new AbortController();

  constructor(parts: HooksParts) {
    this.#parts = parts;
    this.#run = parts.run ?? runLimited;
    // As many as there are WANs.
    setMaxListeners(0, this.#ending.signal);
  }

  /** @param acted the hooks are run when it settles, or takes too long */
  changed(change: UplinkChange, acted: Promise<void>): void {
    if (this.#parts.hooks.files.length === 0 || this.#ending.signal.aborted) return;
    const line: Line = this.#lines.get(change.wan) ?? { waiting: new Map(), work: undefined };
    this.#lines.set(change.wan, line);
    // In the place of the one before: a family that changes all the time does not keep the other waiting for ever.
    line.waiting.set(change.family, { change, acted });
    line.work ??= this.#work(line);
  }

  /** What waits is dropped; what runs has two seconds to end and is killed then. */
  async stop(): Promise<void> {
    this.#ending.abort();
    const kill = setTimeout(() => {
      for (const call of this.#running) call.abort();
    }, this.#parts.graceMs ?? GRACE_MS);
    await Promise.all([...this.#lines.values()].map(({ work }) => work));
    clearTimeout(kill);
  }

  async #work(line: Line): Promise<void> {
    const { hooks, mostActingMs = MOST_ACTING_MS } = this.#parts;
    for (;;) {
      const [job] = line.waiting.values();
      if (job === undefined || this.#ending.signal.aborted) break;
      line.waiting.delete(job.change.family);
      await settled(job.acted, mostActingMs, this.#ending.signal);
      for (const file of hooks.files) {
        if (this.#ending.signal.aborted) return;
        await this.#call(file, job.change);
      }
    }
    line.work = undefined;
  }

  async #call(file: string, change: UplinkChange): Promise<void> {
    const { wans, hooks, socket } = this.#parts;
    const wan = wans.find(({ name }) => name === change.wan)!;
    const call = new AbortController();
    this.#running.add(call);
    const end = await this.#run([file], {
      env: environment(wan, change, socket),
      bareEnv: true,
      input: `${JSON.stringify(this.#description(wan, change))}\n`,
      timeoutMs: hooks.timeoutMs,
      signal: call.signal,
    });
    this.#running.delete(call);
    if (end.code !== 0) this.#failed(file, change, end);
  }

  /** The state that is told, and those of all WANs at this moment. */
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
    const { logger, hooks } = this.#parts;
    const limit = hooks.timeoutMs / 1000;
    const how =
      code !== undefined
        ? `failed with exit code ${code}`
        : why === 'timeout'
          ? `was killed after ${limit} s, its time limit`
          : why === 'cancelled'
            ? 'was killed: the daemon ends'
            : `failed: ${why}`;
    logger.warn({ wan, family, action: action(up), hook: file, said }, `a hook ${how}`);
  }
}

/** mwan3.user's words; ifup and ifdown are its system's, of which a daemon knows nothing. */
function action(up: boolean): string {
  return up ? 'connected' : 'disconnected';
}

/** What a hook learns beside its input; `wanmark status` finds the daemon that called. */
function environment(wan: Wan, { family, up, reason }: UplinkChange, socket: string): Record<string, string> {
  return {
    ACTION: action(up),
    INTERFACE: wan.name,
    DEVICE: wan.dev,
    WANMARK_FAMILY: String(family),
    // It may have the words of a user's check in it, and a NUL cannot be passed on.
    WANMARK_REASON: reason.replaceAll(/\p{Cc}+/gu, ' '),
    WANMARK_SOCKET: resolve(socket),
  };
}

/** Resolves when `done` settles, after `ms`, or at `signal`, whatever is first. */
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
