const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P'];

/** `94.2 MB`: three digits and a decimal prefix. */
export function bytesText(bytes: number): string {
  return scaled(bytes, 'B');
}

/** `94.2 Mb/s`; `-` where it is not known. */
export function rateText(bitsPerSecond: number | null | undefined): string {
  return bitsPerSecond === null || bitsPerSecond === undefined ? '-' : scaled(bitsPerSecond, 'b/s');
}

function scaled(value: number, unit: string): string {
  let rest = value;
  let prefix = 0;
  // 999.5 is 1.0 k and not 1000.
  while (rest >= 999.5 && prefix < PREFIXES.length - 1) {
    rest /= 1000;
    prefix++;
  }
  const digits = prefix > 0 && rest < 99.95 ? 1 : 0;
  return `${rest.toFixed(digits)} ${PREFIXES[prefix]}${unit}`;
}

/** `83.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** A number of things: `1 rule`, `3 rules`. @param what one of them */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
