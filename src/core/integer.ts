/** Refuses an option of a program that embeds wanmark. @throws RangeError */
export function checkInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(
      `Expected the "${name}" option to be an integer from ${min} to ${max}, not ${value}`,
    );
  }
}
