import type { ConnectionsV1, ConnectionV1 } from '../control/connections.js';
import { duration } from './duration.js';
import type { Line } from './screen/line.js';
import { bytesText, counted } from './units.js';

/** The output of `status connections` for people: two lines each, and what to switch on where something is not known. */
export function connectionLines({ found, connections }: ConnectionsV1, now: number): Line[] {
  if (found === 0) return [['no connections']];
  const total = counted(found, 'connection');
  const shown = connections.length < found ? `, ${connections.length} of them here; --limit shows more` : '';
  const isTimed = connections.some(({ since }) => since !== null);
  const isCounted = connections.some(({ bytes }) => bytes !== null);
  const off = (key: string) => `sysctl -w net.netfilter.${key}=1 (for those that begin then)`;
  return [
    ...connections.flatMap((one): Line[] => [[flowText(one)], [`    ${detailText(one, now)}`]]),
    [`${total}${shown}`],
    ...(isTimed ? [] : [[`their age is not known: ${off('nf_conntrack_timestamp')}`] as Line]),
    ...(isCounted ? [] : [[`their bytes are not counted: ${off('nf_conntrack_acct')}`] as Line]),
  ];
}

/** `tcp 10.0.0.11:40001 -> 203.0.113.10:443 ESTABLISHED`. */
export function flowText({ family, proto, src, sport, dst, dport, state }: ConnectionV1): string {
  const end = (address: string, port: number) => {
    if (port === 0) return address;
    return family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  };
  return `${proto} ${end(src, sport)} -> ${end(dst, dport)} ${state}`;
}

function detailText({ wan, policy, since, bytes }: ConnectionV1, now: number): string {
  return [
    wan,
    ...(policy === null ? [] : [`policy ${policy}`]),
    ...(since === null ? [] : [`${duration(Math.max(0, (now - Date.parse(since)) / 1000))} old`]),
    ...(bytes === null ? [] : [`${bytesText(bytes.out)} out`, `${bytesText(bytes.back)} back`]),
  ].join(', ');
}
