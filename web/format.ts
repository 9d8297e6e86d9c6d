import { duration } from '../src/cli/duration.js';

/** Numbers and times for people. Everything is SI: 1 Mbit is a million bits. */

const PREFIXES = ['', 'k', 'M', 'G', 'T'] as const;

function scaled(value: number, unit: string): string {
  const power = Math.min(4, Math.floor(Math.log(Math.max(value, 1)) / Math.log(1000)));
  const number = value / 1000 ** power;
  return `${power === 0 ? Math.round(number) : number.toPrecision(3)} ${PREFIXES[power]}${unit}`;
}

/** Bits a second: `12.3 Mbit/s`. */
export function rate(bits: number | null | undefined): string {
  return bits === null || bits === undefined ? '–' : scaled(bits, 'bit/s');
}

/** Bytes: `1.20 GB`. */
export function size(bytes: number | null | undefined): string {
  return bytes === null || bytes === undefined ? '–' : scaled(bytes, 'B');
}

/** A part of one: `4.5 %`. */
export function percent(part: number): string {
  return `${(100 * part).toFixed(part > 0 && part < 0.1 ? 1 : 0)} %`;
}

/** How long ago a time of ISO 8601 is. */
export function ago(at: string): string {
  return duration(Math.max(0, (Date.now() - Date.parse(at)) / 1000));
}

/** The time of the day, with the date where that is another one than today's. */
export function moment(at: string): string {
  const date = new Date(at);
  const time = date.toLocaleTimeString();
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}

/** An address with its port. */
export function place(address: string, port: number | null | undefined): string {
  if (!port) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
