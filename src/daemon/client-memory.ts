import type { Logger } from 'pino';
import { FAMILIES } from '../core/family.js';
import type { KeptClient, Stickiness, StickyBy } from '../core/stickiness.js';
import { bootClockAhead, readLines, writeLines } from '../system/memory-file.js';

/** How often to look whether something has changed. */
const LOOK_MS = 500;
/** Writing takes this part of the time at most: a full table is 65,536 lines, of which each costs a microsecond. */
const MOST_PART = 0.01;
/** How many lines are made at once: about a millisecond, in which no packet is answered. */
const SLICE = 1000;

export interface ClientMemoryParts {
  readonly path: string;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly logger: Pick<Logger, 'warn'>;
  readonly write?: typeof writeLines;
}

/** A client in the file: whose, by what it is told apart, in which family, its member, its key, and the end of its time since boot. */
type Line = readonly [string, StickyBy, number, string, string, number];

/**
 * A file with what policies remember of their clients, for the next daemon: for tables of which the kernel has no copy. It is
 * written soon after a change, and the more seldom the longer that takes. A daemon that is killed loses what came since.
 */
export class ClientMemory {
  readonly #parts: ClientMemoryParts;
  /** What an earlier daemon wrote and no policy has asked for yet. */
  readonly #recalled: Map<string, Map<string, KeptClient>>;
  readonly #kept = new Map<string, Stickiness>();
  #timer: NodeJS.Timeout | undefined;
  #isChanged = false;
  #notBefore = 0;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(parts: ClientMemoryParts) {
    this.#parts = parts;
    this.#recalled = recalled(parts.path, parts.now() + bootClockAhead());
  }

  begin(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Gives a policy the clients that an earlier daemon remembered, and writes down those that it has from now on. */
  keep(policy: string, stickiness: Stickiness): void {
    const { tables, sticky } = stickiness;
    for (const family of FAMILIES) {
      const group = groupOf(policy, sticky.by, family);
      tables[family].restore([...(this.#recalled.get(group)?.values() ?? [])]);
      this.#recalled.delete(group);
      tables[family].listener = () => {
        this.#isChanged = true;
      };
    }
    this.#kept.set(policy, stickiness);
    this.#isChanged = true;
  }

  /** The policy has no clients any more, or somebody else keeps them. */
  leave(policy: string): void {
    if (this.#kept.delete(policy)) this.#isChanged = true;
  }

  /** Resolves when the last is written. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    if (this.#kept.size > 0) await this.#write();
  }

  #look(): void {
    if (!this.#isChanged || this.#writing !== undefined || this.#parts.now() < this.#notBefore) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    const { path, now, logger, write = writeLines } = this.#parts;
    const begin = now();
    this.#isChanged = false;
    try {
      await write(path, this.#slices());
      this.#hasFailed = false;
    } catch (error) {
      this.#isChanged = true;
      if (!this.#hasFailed)
        logger.warn(`sticky clients cannot be kept for the next daemon: ${(error as Error).message}`);
      this.#hasFailed = true;
    }
    this.#notBefore = now() + (now() - begin) / MOST_PART;
  }

  /** The lines of all clients, some at once, so that whoever takes them can do other work between. */
  *#slices(): Generator<string> {
    const ahead = bootClockAhead();
    const { now } = this.#parts;
    let lines: string[] = [];
    for (const [policy, { sticky, tables }] of this.#kept)
      for (const family of FAMILIES)
        for (const { key, member, leftMs } of tables[family].each()) {
          const until = Math.round(now() + leftMs + ahead);
          lines.push(`${JSON.stringify([policy, sticky.by, family, member, key, until] satisfies Line)}\n`);
          if (lines.length < SLICE) continue;
          yield lines.join('');
          lines = [];
        }
    yield lines.join('');
  }
}

function recalled(path: string, sinceBoot: number): Map<string, Map<string, KeptClient>> {
  const groups = new Map<string, Map<string, KeptClient>>();
  for (const text of readLines(path)) {
    const line = parseLine(text);
    if (line === undefined || line[5] <= sinceBoot) continue;
    const [policy, by, family, member, key, until] = line;
    const group = groupOf(policy, by, family);
    const clients = groups.get(group) ?? new Map<string, KeptClient>();
    groups.set(group, clients.set(key, { key, member, leftMs: until - sinceBoot }));
  }
  return groups;
}

/** Undefined for half a line, or that of another version. */
function parseLine(text: string): Line | undefined {
  try {
    const line = JSON.parse(text);
    const types = Array.isArray(line) ? line.map((one) => typeof one).join(' ') : '';
    return types === 'string string number string string number' ? (line as unknown as Line) : undefined;
  } catch {
    return undefined;
  }
}

function groupOf(policy: string, by: string, family: number): string {
  return [policy, by, family].join(' ');
}
