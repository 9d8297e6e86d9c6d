/** Numbers of IP protocols (IANA). */
export const ICMP = 1;
/** Protocols by IANA's numbers. */
export const TCP = 6;
export const UDP = 17;
export const ICMPV6 = 58;

/** Names of IP protocols in the mark log; any other protocol is logged as its number. */
const NAMES = new Map([
  [ICMP, 'icmp'],
  [TCP, 'tcp'],
  [UDP, 'udp'],
  [33, 'dccp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [ICMPV6, 'icmpv6'],
  [132, 'sctp'],
  [136, 'udplite'],
]);

/** The name of a protocol, such as `tcp` for 6, or its number as text where it has no common name. */
export function protocolName(proto: number): string {
  return NAMES.get(proto) ?? String(proto);
}
