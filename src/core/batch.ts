/** How many bytes of each packet the kernel copies to us: headers, never more of the payload. */
export const COPY_BYTES = 128;

/** Bits of {@link Batch.flags}. */
export const FLAG_FRAGMENT = 1;
/** The headers ended before the ports did: `sport` and `dport` are 0. */
export const FLAG_TRUNCATED = 2;

/**
 * The packets that one call of `decide` is about: a struct of arrays, shared with the I/O thread.
 *
 * The arrays are allocated once and reused, so nothing in them outlives the call. Element `i` of each array
 * (or bytes `16 * i ...` and `COPY_BYTES * i ...`) belongs to packet `i`.
 */
export interface Batch {
  /** How many packets the arrays have room for. */
  readonly capacity: number;
  /** 4 or 6; 0 for a packet that is neither (then it has no addresses, protocol or ports). */
  readonly family: Uint8Array;
  /** IP protocol number of the upper layer, extension headers skipped (6 TCP, 17 UDP, 1 ICMP ...). */
  readonly proto: Uint8Array;
  /** `FLAG_...` bits. */
  readonly flags: Uint8Array;
  /** Source address, 16 bytes each, network order; IPv4 uses the first 4, the rest are 0. */
  readonly src: Uint8Array;
  /** Destination address, as `src`. */
  readonly dst: Uint8Array;
  /** Source port in host order; for ICMP and ICMPv6 echo the identifier; 0 where there is none. */
  readonly sport: Uint16Array;
  /** Destination port in host order; for ICMP and ICMPv6 type and code as `type << 8 | code`. */
  readonly dport: Uint16Array;
  /** Interface index the packet came in by; 0 in OUTPUT. */
  readonly inIfindex: Uint32Array;
  /** Interface index the route before the verdict would leave by; 0 in PREROUTING. */
  readonly outIfindex: Uint32Array;
  /** The whole packet mark at queue time (the kernel leaves the attribute out when it is 0). */
  readonly oldMark: Uint32Array;
  /** Length of the packet on the wire, in bytes. */
  readonly length: Uint32Array;
  /** How many bytes of it were copied, at most {@link COPY_BYTES}. */
  readonly copied: Uint8Array;
  /** The copied bytes, from the network header on; {@link COPY_BYTES} of room for each packet. */
  readonly bytes: Uint8Array;
  /** The answer: a mark inside the mask, or {@link KERNEL_DECIDES}, with which each element is pre-filled. */
  readonly marks: Uint32Array;
}

/** The answer that leaves the packet to the kernel's own choice: its mark stays as it is. */
export const KERNEL_DECIDES = 0;
