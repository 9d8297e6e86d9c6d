import { readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { FRESH, freshPath } from './fresh-file.js';
import { readOwn } from './own-file.js';

/** This boot and network namespace: elsewhere, clocks, counters and what is known of a network mean nothing. */
export function place(): { readonly netns: string; readonly boot: string } {
  return {
    netns: readlinkSync('/proc/self/ns/net'),
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  };
}

/**
 * Reads what {@link writeMemory} wrote. Undefined where there is nothing, it is of another boot or network namespace, or
 * belongs to somebody else than root and us.
 */
export function readMemory(path: string): unknown {
  try {
    const { netns, boot, memory } = JSON.parse(readOwn(path));
    const here = place();
    return netns === here.netns && boot === here.boot ? memory : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a memory in one step: whoever reads has the old one or the new one, whenever we are killed. @throws Error */
export function writeMemory(path: string, memory: object): void {
  const fresh = freshPath(path);
  writeFileSync(fresh, `${JSON.stringify({ ...place(), memory })}\n`, { mode: 0o640, flag: FRESH });
  renameSync(fresh, path);
}

/** Writes lines that {@link readLines} understands; between slices of them other work goes on. @throws Error */
export async function writeLines(path: string, slices: Iterable<string>): Promise<void> {
  const fresh = freshPath(path);
  const file = await open(fresh, FRESH, 0o640);
  try {
    await file.write(`${JSON.stringify(place())}\n`);
    for (const slice of slices) await file.write(slice);
  } finally {
    await file.close();
  }
  await rename(fresh, path);
}

/** The lines that {@link writeLines} wrote; none where {@link readMemory} would say undefined. */
export function readLines(path: string): readonly string[] {
  try {
    const [head, ...lines] = readOwn(path).split('\n');
    const { netns, boot } = JSON.parse(head!);
    const here = place();
    return netns === here.netns && boot === here.boot ? lines.filter(Boolean) : [];
  } catch {
    return [];
  }
}

/** Milliseconds by which the clock since boot, which is the same for all processes, is ahead of this process's own. */
export function bootClockAhead(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}
