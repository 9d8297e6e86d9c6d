import { clockText } from './clock-text.js';

/** The fields of a line of the mark log that a person wants to see first. */
interface MarkFields {
  readonly time: number | string;
  readonly mark: number;
  readonly wan?: string;
  readonly policy?: string;
  readonly service?: string;
  readonly backend?: string;
  readonly strategy: string;
  readonly proto: string;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly in: string | null;
}

/** A decision in one line for a terminal: `[12:00:00.123] tcp 10.0.0.11:1024 -> 203.0.113.10:7 from lan0: fibre (weighted)`. */
export function markLine(fields: MarkFields): string {
  const { time, wan, policy, service, backend, strategy, proto, src, sport, dst, dport } = fields;
  const end = (address: string, port: number) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const from = fields.in === null ? '' : ` from ${fields.in}`;
  const to = backend === undefined ? (wan ?? `mark ${fields.mark}`) : `${service}/${backend}`;
  const by = policy === undefined ? strategy : `${policy}, ${strategy}`;
  return `[${clockText(new Date(time))}] ${proto} ${end(src, sport)} -> ${end(dst, dport)}${from}: ${to} (${by})`;
}
