import { bytesKey, formatAddress } from './address.js';
import type { Batch } from './batch.js';
import { hashBytes } from './hash.js';
import { protocolName } from './protocol.js';

/** The first packet of a new connection, as a strategy sees it. Valid only during the call it was passed to. */
export interface Flow {
  /** 4, 6, or 0 for a packet that is neither. */
  readonly family: number;
  /** IP protocol number: 6 TCP, 17 UDP, ... */
  readonly proto: number;
  /** The protocol's common name, or its number as text. */
  readonly protoName: string;
  /** The client's address as text. */
  readonly src: string;
  readonly dst: string;
  /**
   * The client as the key of a map, cheaper than text: its address, or with IPv6 the network /64 in which it changes it.
   */
  readonly srcKey: string;
  /** The destination's address as the key of a map. */
  readonly dstKey: string;
  /** Ports in host order, 0 where the protocol has none; ICMP echo: `sport` is the identifier. */
  readonly sport: number;
  readonly dport: number;
  /** 32-bit hash of the client's address, equal in every run and on every machine. */
  readonly srcHash: number;
  /** 32-bit hash of the destination's address, equal in every run and on every machine. */
  readonly dstHash: number;
  /** 32-bit hash of the destination's network, a /24 or a /48, equal in every run and on every machine. */
  readonly dstNetworkHash: number;
  /** Index of the interface that the packet came in by; 0 for the router's own packets. */
  readonly inIfindex: number;
  /**
   * Index of the interface that it would leave by without a choice; 0 for forwarded packets, which are not routed yet.
   */
  readonly outIfindex: number;
  /** The whole packet mark before the verdict. */
  readonly oldMark: number;
  /** Length of the packet in bytes. */
  readonly length: number;
  /**
   * The sender's MAC address as a number of 48 bits: that of the client, or of the router that it is behind. 0 for the
   * router's own packets, and where a device has none.
   */
  readonly mac: number;
}

/**
 * A flyweight over the packets of a batch: one object, moved from packet to packet with {@link at}. Making an object
 * for each packet would cost more than the whole decision.
 */
export class BatchFlow implements Flow {
  readonly #batch: Batch;
  #i = 0;

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  /** Moves to packet `i` and returns this object. */
  at(i: number): this {
    this.#i = i;
    return this;
  }

  get family(): number {
    return this.#batch.family[this.#i]!;
  }
  get proto(): number {
    return this.#batch.proto[this.#i]!;
  }
  get protoName(): string {
    return protocolName(this.proto);
  }
  get src(): string {
    return formatAddress(this.#batch.src, 16 * this.#i, this.family);
  }
  get dst(): string {
    return formatAddress(this.#batch.dst, 16 * this.#i, this.family);
  }
  get srcKey(): string {
    return bytesKey(this.#batch.src, 16 * this.#i, this.family === 6 ? 8 : 4);
  }
  get dstKey(): string {
    return bytesKey(this.#batch.dst, 16 * this.#i, this.family === 6 ? 16 : 4);
  }
  get sport(): number {
    return this.#batch.sport[this.#i]!;
  }
  get dport(): number {
    return this.#batch.dport[this.#i]!;
  }
  get srcHash(): number {
    return hashBytes(this.#batch.src, 16 * this.#i, this.family === 6 ? 16 : 4);
  }
  get dstHash(): number {
    return hashBytes(this.#batch.dst, 16 * this.#i, this.family === 6 ? 16 : 4);
  }
  get dstNetworkHash(): number {
    return hashBytes(this.#batch.dst, 16 * this.#i, this.family === 6 ? 6 : 3);
  }
  get inIfindex(): number {
    return this.#batch.inIfindex[this.#i]!;
  }
  get outIfindex(): number {
    return this.#batch.outIfindex[this.#i]!;
  }
  get oldMark(): number {
    return this.#batch.oldMark[this.#i]!;
  }
  get length(): number {
    return this.#batch.length[this.#i]!;
  }
  get mac(): number {
    return this.#batch.mac[this.#i]!;
  }
}
