/** An address family: IPv4 or IPv6. */
export type Family = 4 | 6;

/** Both families, in the order in which they are handled and shown. */
export const FAMILIES: readonly Family[] = [4, 6];
