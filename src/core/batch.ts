/** How many bytes of each packet the kernel copies to us: the headers, and never more of the payload. */
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
  /** IP protocol number of the upper layer (6 TCP, 17 UDP, 1 ICMP ...); extension headers are skipped. */
  readonly proto: Uint8Array;
  /** `FLAG_...` bits. */
  readonly flags: Uint8Array;
  /** Source addresses, 16 bytes each, in network order; an IPv4 address uses the first 4 and the rest are 0. */
  readonly src: Uint8Array;
  /** Destination addresses, laid out like `src`. */
  readonly dst: Uint8Array;
  /** Source port in host order; the identifier for ICMP and ICMPv6 echo; 0 for a protocol without ports. */
  readonly sport: Uint16Array;
  /** Destination port in host order; `type << 8 | code` for ICMP and ICMPv6. */
  readonly dport: Uint16Array;
  /** Index of the interface that the packet came in by; 0 in OUTPUT. */
  readonly inIfindex: Uint32Array;
  /** Index of the interface that the route before the verdict leads to; 0 in PREROUTING. */
  readonly outIfindex: Uint32Array;
  /** The whole packet mark at queue time; 0 also where the kernel leaves the attribute out. */
  readonly oldMark: Uint32Array;
  /** When the packet came, in milliseconds of a clock that never goes back; 0 where that is not known. */
  readonly atMs: Float64Array;
  /** Length of the packet on the wire, in bytes. */
  readonly length: Uint32Array;
  /** The sender's MAC address as a number of 48 bits; 0 for the router's own packets, and where a device has none. */
  readonly mac: Float64Array;
  /** How many bytes of the packet were copied, at most {@link COPY_BYTES}. */
  readonly copied: Uint8Array;
  /** The copied bytes, from the network header on; {@link COPY_BYTES} of room for each packet. */
  readonly bytes: Uint8Array;
  /**
   * The answers: a mark inside the mask, {@link KERNEL_DECIDES} or {@link DROP}. Every element is {@link KERNEL_DECIDES}
   * beforehand.
   */
  readonly marks: Uint32Array;
}

/** The answer that leaves a packet to the kernel's own choice: its mark stays as it is. */
export const KERNEL_DECIDES = 0;

/**
 * The answer that drops a packet: an ICMP error, so that nobody hears of it, or the first packet of a connection. With a
 * mask of all 32 bits it is a mark like others, except for ICMP errors. It is not remembered, so the next packet is shown,
 * too.
 */
export const DROP = 0xffff_ffff;
