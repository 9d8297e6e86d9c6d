/** IP protocol numbers (IANA) with a name in the mark log; the rest are logged as their number. */
const NAMES = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'icmpv6'],
  [132, 'sctp'],
  [136, 'udplite'],
]);

/** `tcp` for 6, and so on; the number as text where there is no common name. */
export function protocolName(proto: number): string {
  return NAMES.get(proto) ?? String(proto);
}
