import { builtIn, isStrategyFile } from '../../config/strategy.js';
import { bytesKey, formatAddress, parseAddress } from '../../core/address.js';
import type { Candidate } from '../../core/candidate.js';
import type { Flow } from '../../core/flow.js';
import { hashBytes } from '../../core/hash.js';
import { protocolName } from '../../core/protocol.js';
import type { Packet } from '../evaluate/packet.js';
import type { StrategyShown } from './explanation.js';

/**
 * What a strategy says of a packet: a WAN, where the same connection always gets the same one of the same candidates.
 * @param name a built-in's name or alias, or a file
 */
export function strategyAnswer(
  name: string,
  packet: Packet,
  candidates: readonly Candidate[],
): StrategyShown {
  const [only, ...more] = candidates;
  if (isStrategyFile(name)) return { name, wan: more.length === 0 ? (only?.name ?? null) : null };
  const { name: full, factory } = builtIn(name);
  const lacksPort = (['sport', 'dport'] as const).some(
    (field) => packet[field] === undefined && factory.fixedBy?.includes(field),
  );
  const isFixed = more.length === 0 || (factory.fixedBy !== undefined && !lacksPort);
  if (only === undefined || !isFixed) return { name: full, wan: null };
  const strategy = factory({ random: () => 0, now: () => 0, connections: () => 0 });
  return { name: full, wan: strategy.pick(flowOf(packet), candidates).name };
}

/** A packet as a strategy sees it. */
function flowOf({ family, proto, src, dst, sport = 0, dport = 0, mark, mac }: Packet): Flow {
  const [source, destination] = [parseAddress(src), parseAddress(dst)];
  const whole = family === 6 ? 16 : 4;
  return {
    family,
    proto,
    protoName: protocolName(proto),
    src: formatAddress(source, 0, family),
    srcKey: bytesKey(source, 0, family === 6 ? 8 : 4),
    dstKey: bytesKey(destination, 0, whole),
    dst: formatAddress(destination, 0, family),
    sport,
    dport,
    srcHash: hashBytes(source, 0, whole),
    dstHash: hashBytes(destination, 0, whole),
    dstNetworkHash: hashBytes(destination, 0, family === 6 ? 6 : 3),
    inIfindex: 0,
    outIfindex: 0,
    oldMark: mark,
    length: 0,
    mac: mac === undefined ? 0 : Number(`0x${mac.replaceAll(':', '')}`),
  };
}
