import type { Logger } from 'pino';
import { writeMemory } from '../system/memory-file.js';

/** How often to look whether something has changed. A daemon that is killed has forgotten no more than this. */
const LOOK_MS = 500;
/** Counts alone are written only each so many looks. */
const COUNTS_EVERY = 20;

export interface MemoryKeeperParts {
  readonly path: string;
  /** A number that changes with what must not be forgotten. */
  readonly version: () => number;
  readonly collect: () => object;
  readonly logger: Logger;
  readonly write?: typeof writeMemory;
}

/** Writes down what the next daemon should know, soon after it changes and at the end. */
export class MemoryKeeper {
  readonly #parts: MemoryKeeperParts;
  readonly #timer: NodeJS.Timeout;
  #version = Number.NaN;
  #looks = 0;
  #hasFailed = false;

  constructor(parts: MemoryKeeperParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#write();
  }

  #look(): void {
    this.#looks++;
    if (this.#parts.version() !== this.#version || this.#looks % COUNTS_EVERY === 0) this.#write();
  }

  #write(): void {
    const { path, version, collect, logger, write = writeMemory } = this.#parts;
    try {
      this.#version = version();
      write(path, collect());
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed)
        logger.warn(`what is known cannot be kept for the next daemon: ${(error as Error).message}`);
      this.#hasFailed = true;
    }
  }
}
