import type { MarkField } from './mark.js';

/** The marks that are equal to `mark` under `mask`, which is never 0. */
export interface MarkBlock {
  readonly mark: number;
  readonly mask: number;
}

/**
 * All numbers of a field, 0 included, but some: in as few blocks as there can be, and each number in one. Whoever asks the
 * kernel for marks asks once for each block, and each time it looks at all that it has.
 * @param without numbers of the field
 */
export function blocksWithout(without: readonly number[], field: MarkField): MarkBlock[] {
  const split = (first: number, size: number): MarkBlock[] => {
    if (!without.some((number) => number >= first && number < first + size))
      return [{ mark: field.encode(first), mask: field.encode(field.max - (size - 1)) }];
    return size === 1 ? [] : [...split(first, size / 2), ...split(first + size / 2, size / 2)];
  };
  // The whole field as one block would have mask 0, which is every mark of the machine's.
  const half = (field.max + 1) / 2;
  return [...split(0, half), ...split(half, half)];
}
