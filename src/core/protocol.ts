/** Names of IP protocol numbers (IANA) in the mark log; any other protocol is logged as its number. */
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

/** The name of a protocol, such as `tcp` for 6, or its number as text where it has no common name. */
export function protocolName(proto: number): string {
  return NAMES.get(proto) ?? String(proto);
}
