import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Family } from '../core/family.js';
import { SystemError } from '../errors.js';
import type { Steps } from '../plan/diff/steps.js';
import type { Lists } from '../plan/render/lists.js';
import type { Firewall } from './firewall.js';
import { makeRunDirectory, runDirectory } from './run-directory.js';

const PREFIX = 'plan.';
const PARTS = ['want', 'keep', 'have', 'steps'] as const;

/** A plan for the executor, in the folder that scripts/wanmark.sh describes. */
export class PlanFolder {
  readonly path: string;

  /** @throws SystemError when the folder cannot be written */
  constructor() {
    const base = makeRunDirectory();
    this.path = written(base, () => mkdtempSync(join(base, `${PREFIX}${process.pid}.`)));
    try {
      this.#write(() => {
        for (const part of PARTS) mkdirSync(join(this.path, part));
      });
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  programs({ programs, variant, backend = 'iptables' }: Firewall): void {
    this.#put('programs', [programs[4], programs[6], variant, backend]);
  }

  want(lists: Lists): void {
    for (const [name, lines] of lists) this.#put(`want/${name}`, lines);
  }

  steps(steps: Steps): void {
    for (const [name, lines] of steps) this.#put(`steps/${name}`, lines);
  }

  /** Adds a file to be kept beside the state until the next `up` or `down`. */
  keep(name: string, text: string): void {
    this.#write(() => writeFileSync(join(this.path, 'keep', name), text));
  }

  /** The state that the executor found on the machine. */
  have(): Lists {
    return readLists(join(this.path, 'have'));
  }

  /** The output of a family's iptables-save when the executor looked. */
  saved(family: Family): string {
    const file = join(this.path, 'have', `${family}.saved`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #put(name: string, lines: readonly string[]): void {
    this.#write(() => writeFileSync(join(this.path, name), lines.map((line) => `${line}\n`).join('')));
  }

  #write(act: () => void): void {
    written(this.path, act);
  }
}

function written<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const hint = code === 'EROFS' ? 'mount it read-write, or set WANMARK_RUN' : 'is the file system full?';
    throw new SystemError('PLAN_FOLDER', `cannot write below ${path}: ${code}; ${hint}`, { cause: error });
  }
}

/** All lists of a folder; none where it does not exist. */
export function readLists(folder: string): Lists {
  if (!existsSync(folder)) return new Map();
  const lines = (name: string) => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean);
  return new Map(readdirSync(folder).map((name) => [name, lines(name)]));
}

/**
 * Removes the folders that killed processes left. To be called while the lock is held, since an executor goes on when
 * the process that started it is gone.
 */
export function removeAbandonedPlans(): void {
  const base = runDirectory();
  for (const name of readdirSync(base)) {
    const pid = new RegExp(`^\\${PREFIX}(\\d+)\\.`).exec(name)?.[1];
    if (pid !== undefined && !lives(Number(pid))) rmSync(join(base, name), { recursive: true, force: true });
  }
}

/** Whether a process is there. /proc may hide it: ProtectProc= and hidepid= do, even from its own user. */
function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
