/**
 * What a counter leaves out although it has a number in its mark. Networks are texts such as `10.0.0.0/8` or
 * `2001:db8::1`.
 */
export interface Exclusion {
  /** Connections that began towards these are left out. */
  readonly to: readonly string[];
  /**
   * Addresses of this machine. ICMP that began at one of them is left out, and so are the probes of this process while
   * they run; other connections from them count.
   */
  readonly self: readonly string[];
}
