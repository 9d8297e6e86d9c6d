/** The network of an address, a /24 or a /48, as a key: what one party runs usually lies in one of these. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address.slice(0, address.lastIndexOf('.'));
  const [head = ''] = address.split('::', 1);
  const groups = head === '' ? [] : head.split(':');
  return [0, 1, 2].map((i) => groups[i] ?? '0').join(':');
}
