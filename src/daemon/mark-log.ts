import type { Logger } from 'pino';
import type { Flow } from '../core/flow.js';
import type { Member } from '../core/member.js';
import { decodePacket, hexDump } from '../core/packet.js';
import type { Pool } from '../core/pool.js';
import type { LineSink, Log } from '../log.js';
import type { DecisionListener } from './decider.js';
import type { DeviceNames } from './device-names.js';
import type { Label } from './pool-set.js';

export interface MarkLogOptions {
  readonly logger: Logger;
  /** Takes lines that are ready made; undefined: all lines go through the logger. */
  readonly line: LineSink | undefined;
  /** See {@link Log.dated}. */
  readonly dated: Log['dated'];
  readonly devices: DeviceNames;
  /** Whether to log the packet's decoded headers and bytes, too. */
  readonly packet: boolean;
}

/** Writes one line for each decision. */
export function markLog(label: Label, options: MarkLogOptions): DecisionListener {
  const { logger, line, devices, packet, dated } = options;
  const describe = (pool: Pool, member: Member) => ({
    mark: member.configured.mark,
    ...label(pool, member),
    strategy: pool.strategy.name,
  });
  if (line !== undefined && !packet) return lineWriter(describe, line, devices);
  return (pool, member, flow, bytes, { date }) => {
    const fields = { ...describe(pool, member), ...flowFields(flow, devices) };
    const all = packet ? { ...fields, ...packetFields(flow, bytes()) } : fields;
    dated(date, () => logger.info(all, 'mark'));
  };
}

/** Writes the logger's own lines, byte for byte, at a fraction of the cost: no object, no walk over its keys. */
function lineWriter(describe: Label, line: LineSink, devices: DeviceNames): DecisionListener {
  const clock = new IsoClock();
  const heads = new Map<string, Map<string, string>>();
  const head = (pool: Pool, member: Member) => {
    let own = heads.get(pool.name);
    if (own === undefined) {
      own = new Map();
      heads.set(pool.name, own);
    }
    let text = own.get(member.target.name);
    if (text === undefined) {
      text = JSON.stringify(describe(pool, member)).slice(1, -1);
      own.set(member.target.name, text);
    }
    return text;
  };
  return (pool, member, flow, _packet, { date }) => {
    const input = flow.inIfindex === 0 ? 'null' : JSON.stringify(devices.name(flow.inIfindex));
    line(
      `{"level":30,"time":"${clock.at(date)}",${head(pool, member)},"proto":"${flow.protoName}","src":"${flow.src}",` +
        `"sport":${flow.sport},"dst":"${flow.dst}","dport":${flow.dport},"in":${input},"msg":"mark"}\n`,
    );
  };
}

/** Dates as text, made at most once for each millisecond in a row. */
class IsoClock {
  #ms = Number.NaN;
  #text = '';

  at(date: number): string {
    let ms = Math.round(date);
    // Ages are of another clock, so the dates of two calls can change places by a millisecond or two.
    if (ms < this.#ms && ms > this.#ms - 3) ms = this.#ms;
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#text = new Date(ms).toISOString();
    }
    return this.#text;
  }
}

function flowFields(flow: Flow, devices: DeviceNames): object {
  return {
    proto: flow.protoName,
    src: flow.src,
    sport: flow.sport,
    dst: flow.dst,
    dport: flow.dport,
    // The router's own connections come in by no device.
    in: flow.inIfindex === 0 ? null : devices.name(flow.inIfindex),
  };
}

function packetFields(flow: Flow, bytes: Uint8Array): object {
  return { headers: decodePacket(bytes, flow.proto), bytes: flow.length, packet: hexDump(bytes) };
}
