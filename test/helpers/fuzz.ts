import { randomInt } from 'node:crypto';
import { seeded } from './random.js';

/** Draws for a fuzzed test. */
export interface Draw {
  /** A whole number from 0 up to `below` - 1. */
  below(below: number): number;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Uint8Array;
  /** The bytes with some changed, cut off, doubled or filled in. */
  mutated(bytes: Uint8Array): Uint8Array;
}

const MOST_CHANGES = 8;

/**
 * Calls `round` for as many seconds as WANMARK_FUZZ_SECONDS says (2), and at least a hundred times. It draws what it likes and throws when what it drew is
 * not taken as it should be. Each round has a seed of its own, which a failure names.
 */
export async function fuzz(round: (draw: Draw) => unknown): Promise<void> {
  const { WANMARK_FUZZ_SECONDS: seconds = '2', WANMARK_FUZZ_SEED: given } = process.env;
  const first = given === undefined ? randomInt(2 ** 31) : Number(given);
  process.stderr.write(`fuzz: from WANMARK_FUZZ_SEED=${first} on\n`);
  const end = performance.now() + 1000 * Number(seconds);
  for (let i = 0; i < 100 || performance.now() < end; i++) {
    const seed = first + i;
    try {
      await round(drawBy(seeded(seed)));
    } catch (error) {
      throw new Error(
        `WANMARK_FUZZ_SEED=${seed} sh scripts/fuzz.sh repeats this: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }
}

function drawBy(random: () => number): Draw {
  const below = (count: number) => Math.floor(random() * count);
  const pick = <T>(list: readonly T[]) => list[below(list.length)]!;
  const bytes = (length: number) => Uint8Array.from({ length }, () => below(256));
  const mutated = (given: Uint8Array) => {
    let all = Buffer.from(given);
    for (let changes = below(MOST_CHANGES); changes > 0; changes--) {
      const at = below(all.length + 1);
      const tail = all.subarray(at);
      const edits = [
        () => Buffer.concat([all.subarray(0, at), bytes(1), tail.subarray(1)]),
        () => all.subarray(0, at),
        () => Buffer.concat([all.subarray(0, at), tail.subarray(0, 40), tail]),
        () => Buffer.concat([all.subarray(0, at), bytes(below(20)), tail]),
        () => Buffer.concat([all.subarray(0, at), tail.subarray(below(20))]),
      ];
      all = pick(edits)();
    }
    return all;
  };
  return { below, pick, bytes, mutated };
}
