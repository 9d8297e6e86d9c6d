import type { Findings } from '../findings.js';
import type { Section } from '../uci/section.js';

/** The whole number of an option; where it is none, what mwan3 takes without the option. */
export function readNumber(section: Section, key: string, standard: number, findings: Findings): number {
  const text = section.get(key);
  if (text === undefined) return standard;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  findings.note(section.lineOf(key), `${key} "${text}" is not a whole number; ${standard} is taken`);
  return standard;
}

/** The same within what our options take. */
export function readLimited(
  section: Section,
  key: string,
  standard: number,
  { least, most }: { readonly least: number; readonly most: number },
  findings: Findings,
): number {
  const value = readNumber(section, key, standard, findings);
  const limited = Math.min(Math.max(value, least), most);
  if (limited !== value)
    findings.lost(section.lineOf(key), `${key} ${value} is outside ${least} to ${most}; ${limited} is taken`);
  return limited;
}
