import { formatAddress, parseAddress } from '../core/address.js';
import type { Family } from '../core/family.js';
import { NEIGHBOURS, type NeighbourProbing } from './rtnetlink/kernel.js';

/** A gateway that is a neighbour on a device. */
export interface NeighbourGateway {
  readonly family: Family;
  /** As the configuration spells it. */
  readonly address: string;
  /** The device's number. */
  readonly index: number;
}

/**
 * Makes the kernel ask a gateway, by ARP or neighbour discovery, whether it is still there. It has three seconds to
 * answer. Where the kernel does not know the gateway, or refuses, nothing happens: this is a help, and nothing depends on
 * it alone.
 */
export function askGateway(gateway: NeighbourGateway, neighbours: NeighbourProbing = NEIGHBOURS): void {
  try {
    neighbours.probe(gateway.family, gateway.address, gateway.index);
  } catch {
    // It was never needed, or its device has just gone.
  }
}

/** Whether a gateway does not answer; false where that is not known. */
export function isGatewaySilent(
  { family, address, index }: NeighbourGateway,
  neighbours: NeighbourProbing = NEIGHBOURS,
): boolean {
  try {
    const wanted = formatAddress(parseAddress(address), 0, family);
    return neighbours.silent(family).some((one) => one.index === index && one.address === wanted);
  } catch {
    return false;
  }
}
