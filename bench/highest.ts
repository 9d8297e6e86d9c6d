import type { Contender, Running } from './contender.js';
import type { Field } from './field.js';
import { answered } from './waiting.js';

/** Each rate is a tenth above the one before. */
const STEP = 1.1;
/** A generator that made less than this part of a rate did not reach it. */
const MADE = 0.9;

export interface Highest {
  /** Connections a second; 0 when packets were missed even at the lowest rate. */
  readonly rate: number;
  /** Why there is no higher rate: packets were missed, the generator could not, or no higher one was tried. */
  readonly end: 'missed' | 'generator' | 'cap';
}

/**
 * Finds by bisection the highest rate at which no packet was missed, of `steps` rates a tenth apart, from `from` on.
 * A rate is too high when packets were missed in two windows in a row, since other load on the machine spoils single
 * windows. Where the generator does not reach a rate and nothing was missed, the rate it reached counts.
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

/** @returns the rate that the generator reached; undefined when a packet was missed */
async function window(field: Field, running: Running, rate: number, seconds: number) {
  const before = await running.missed();
  const count = Math.round(rate * seconds);
  const sent = await field.flows.send(count, rate);
  await answered(field.lab.router);
  running.check();
  return (await running.missed()) > before ? undefined : count / sent.seconds;
}
