import { UsageError } from '../errors.js';

/** The numbers that targets have had since `up`, by their names, so that a list can be reordered without a mark changing. */
export interface Numbers {
  readonly wans: ReadonlyMap<string, number>;
  /** By `SERVICE/TO`. */
  readonly backends: ReadonlyMap<string, number>;
}

export const NO_NUMBERS: Numbers = { wans: new Map(), backends: new Map() };

/** One that needs a number. */
export interface Numbered {
  readonly name: string;
  /** That of the configuration; it wins. */
  readonly given: number | undefined;
}

/**
 * A number for each, by name: the configured one; else the remembered one, unless another has it by its configuration; else
 * the place in the list; else the lowest that nobody has or had. Numbers of names that are gone are given out last, since
 * their connections may still live.
 *
 * @param max the largest number
 * @throws UsageError when there are not enough
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

/** `place` or else the lowest that will do. A field may hold four thousand million numbers, so they are never listed. */
function firstOf(place: number, max: number, isGood: (number: number) => boolean): number | undefined {
  if (isGood(place)) return place;
  for (let number = 1; number <= max; number++) if (isGood(number)) return number;
  return undefined;
}

/** What is to be remembered: the numbers of now, and of names that are gone those that nobody else has. */
export function rememberNumbers(
  now: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const taken = new Set(now.values());
  const retired = [...before].filter(([name, number]) => !now.has(name) && !taken.has(number));
  return new Map([...now, ...retired]);
}

/** Those that lost their number to another one's configuration, a line for each. */
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
        `${what} "${name}" had mark ${was} and has mark ${number} now; its connections of before lose theirs`,
      ];
    return [
      `${what} "${name}" had mark ${was}, which is "${heir}" now; it has mark ${number}, and its connections of before ` +
        `leave as those of "${heir}"`,
    ];
  });
}
