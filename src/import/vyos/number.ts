import type { Findings } from '../findings.js';
import type { ConfigNode } from './node.js';

/** The whole number below some words; where it is absent or none, the default. */
export function readNumber(
  node: ConfigNode | undefined,
  words: readonly string[],
  standard: number,
  findings: Findings,
): number {
  const text = node?.value(...words);
  if (node === undefined || text === undefined) return standard;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  findings.note(
    node.lineOf(...words),
    `${words.join(' ')} "${text}" is not a whole number; ${standard} is taken`,
  );
  return standard;
}
