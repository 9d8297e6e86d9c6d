/** An address family: IPv4 or IPv6. */
export type Family = 4 | 6;

/** Both, in the order in which everything is done and shown. */
export const FAMILIES: readonly Family[] = [4, 6];
