import type { MarkField } from './mark.js';

/** The marks that are equal to `mark` under `mask`, which is never 0. */
export interface MarkBlock {
  readonly mark: number;
  readonly mask: number;
}

/**
 * These numbers of a field and no others, in as few blocks as there can be, and each number in one. Whoever asks the kernel for
 * marks asks once for each block, and each time it looks at all that it has.
 * @param numbers of the field, each once; 0 is one of them where nothing was decided
 */
export function blocksOf(numbers: readonly number[], field: MarkField): MarkBlock[] {
  const split = (first: number, size: number): MarkBlock[] => {
    const found = numbers.filter((number) => number >= first && number < first + size).length;
    if (found === 0) return [];
    if (found === size) return [{ mark: field.encode(first), mask: field.encode(field.max - (size - 1)) }];
    return [...split(first, size / 2), ...split(first + size / 2, size / 2)];
  };
  // The whole field as one block would have mask 0, which is every mark of the machine's.
  const half = (field.max + 1) / 2;
  return [...split(0, half), ...split(half, half)];
}
