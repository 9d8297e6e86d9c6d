import type { Contender, Running } from './contender.js';
import type { Field } from './field.js';
import { answered } from './waiting.js';

/** A tenth. */
const STEP = 1.1;
/** The part of a rate below which the generator has not made it. */
const MADE = 0.9;

export interface Highest {
  /** Connections a second; 0: not even at the lowest rate. */
  readonly rate: number;
  /** Why there is no higher one. */
  readonly end: 'missed' | 'generator' | 'cap';
}

/**
 * The highest rate at which nothing was missed, of `steps` that are a tenth apart, from `from` on; found by bisection. A
 * rate counts as too high when two windows in a row had a packet missed: a machine that does something else for a moment
 * costs each contender one. Where the generator does not make a rate, and nothing was missed, what it made counts.
 */
export function highestRate(
  field: Field,
  contender: Contender,
  { from, steps }: { readonly from: number; readonly steps: number },
  seconds: number,
): Promise<Highest> {
  return field.with(contender, async (running) => {
    await field.flows.send(from / 10, from);
    await answered(field.lab.router);
    let rate = 0;
    let end: Highest['end'] = 'cap';
    let [low, high] = [0, steps];
    while (low < high) {
      const middle = (low + high) >> 1;
      const asked = from * STEP ** middle;
      const made =
        (await window(field, running, asked, seconds)) ?? (await window(field, running, asked, seconds));
      if (made !== undefined) rate = Math.max(rate, made);
      if (made !== undefined && made >= MADE * asked) {
        low = middle + 1;
      } else {
        high = middle;
        end = made === undefined ? 'missed' : 'generator';
      }
    }
    return { rate, end };
  });
}

/** @returns the rate that was made; undefined when something was missed */
async function window(field: Field, running: Running, rate: number, seconds: number) {
  const before = await running.missed();
  const count = Math.round(rate * seconds);
  const sent = await field.flows.send(count, rate);
  await answered(field.lab.router);
  running.check();
  return (await running.missed()) > before ? undefined : count / sent.seconds;
}
