/** The programs that a rule can be told to be of, by the names of their chains, their marks and their tables. */
const SIGNS: readonly (readonly [program: string, sign: RegExp])[] = [
  [
    'Tailscale',
    /\bts-(input|forward|postrouting|prerouting)\b|\/0xff0000 .*lookup 52\b|\b0x[48]0000\/0xff0000\b/,
  ],
  ['wg-quick', /\bwg-quick\b|\b(0xca6c|51820)\b|^ip .*rule \d+ '[^']*lookup main suppress_prefixlength 0'/],
  ['mwan3', /\bmwan3_|\/0x3f00\b/],
  ['pbr', /\bpbr_|\b0x[0-9a-f]{1,2}0000\/0xff0000\b/],
  ['Docker', /\bDOCKER\b|\bDOCKER-/],
  ['Calico', /\bcali-/],
  ['Cilium', /\bCILIUM_/],
  ['kube-proxy', /\bKUBE-/],
  ['Netbird', /\bnetbird\b|\bNETBIRD-|\b0x1bd[0-9a-f]{2}\b/i],
  ['Mullvad', /\bmullvad\b|\b0x6d6f6c65\b/i],
  ['strongSwan', /\blookup 220\b/],
  ['zapret', /\bzapret\b/],
  ['libvirt', /\bLIBVIRT_/],
  ['Shorewall', /\b(tcpre|tcfor|tcout|tcpost|routemark)\b/],
  ['firewalld', /\bfirewalld\b/],
  ['sing-box', /\bsing-box\b|\b0x202[345]\b/],
];

/** The program that a rule or a route belongs to; undefined where nothing tells. @param text a line that shows the rule */
export function whose(text: string): string | undefined {
  return SIGNS.find(([, sign]) => sign.test(text))?.[0];
}

/** The line with its program in front, where it is known. */
export function named(text: string): string {
  const program = whose(text);
  return program === undefined ? text : `${program}: ${text}`;
}
