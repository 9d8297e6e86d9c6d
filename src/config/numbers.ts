import { UsageError } from '../errors.js';

/** The numbers that targets have had since `up`, by name, so that reordering a list does not change a mark. */
export interface Numbers {
  readonly wans: ReadonlyMap<string, number>;
  /** The numbers of backends, by `SERVICE/TO`. */
  readonly backends: ReadonlyMap<string, number>;
  /** The numbers of policies, by name. */
  readonly policies: ReadonlyMap<string, number>;
}

/** No target has had a number yet. */
export const NO_NUMBERS: Numbers = { wans: new Map(), backends: new Map(), policies: new Map() };

/** A target that needs a number. */
export interface Numbered {
  readonly name: string;
  /** The number from the configuration; it wins over any other. */
  readonly given: number | undefined;
}

/**
 * Assigns each name a number: the configured one; else the remembered one, unless the configuration gives it to
 * another; else the place in the list; else the lowest that nobody has or had. Numbers of removed names are given out
 * last, since their connections may still live.
 *
 * @param max the largest number
 * @throws UsageError when there are not enough numbers
 */
export function assignNumbers(
  list: readonly Numbered[],
  remembered: ReadonlyMap<string, number>,
  max: number,
): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  const taken = new Set<number>();
  const take = (name: string, number: number) => {
    numbers.set(name, number);
    taken.add(number);
  };
  for (const { name, given } of list) if (given !== undefined) take(name, given);
  for (const { name } of list) {
    const before = remembered.get(name);
    if (!numbers.has(name) && before !== undefined && before <= max && !taken.has(before)) take(name, before);
  }
  const retired = new Set(remembered.values());
  list.forEach(({ name }, i) => {
    if (numbers.has(name)) return;
    const isFree = (one: number) => one <= max && !taken.has(one);
    const number =
      firstOf(i + 1, max, (one) => isFree(one) && !retired.has(one)) ?? firstOf(i + 1, max, isFree);
    if (number === undefined) throw new UsageError(`no number is left for "${name}"; use a wider mask`);
    take(name, number);
  });
  return numbers;
}

/** `place` if it is good, else the lowest number that is. A field may hold 2^32 numbers, so they are never listed. */
function firstOf(place: number, max: number, isGood: (number: number) => boolean): number | undefined {
  if (isGood(place)) return place;
  for (let number = 1; number <= max; number++) if (isGood(number)) return number;
  return undefined;
}

/** The numbers to remember: the current ones, and those of removed names that nobody else has. */
export function rememberNumbers(
  now: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const taken = new Set(now.values());
  const retired = [...before].filter(([name, number]) => !now.has(name) && !taken.has(number));
  return new Map([...now, ...retired]);
}

/** One line for each target whose number the configuration gave to another. */
export function lostNumbers(
  what: string,
  now: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): string[] {
  return [...now].flatMap(([name, number]) => {
    const was = before.get(name);
    if (was === undefined || was === number) return [];
    const heir = [...now].find(([, one]) => one === was)?.[0];
    if (heir === undefined)
      return [
        `${what} "${name}" had mark ${was} and has mark ${number} now; its existing connections lose theirs`,
      ];
    return [
      `${what} "${name}" had mark ${was}, which is "${heir}" now; it has mark ${number}, and its existing connections ` +
        `leave as those of "${heir}"`,
    ];
  });
}
