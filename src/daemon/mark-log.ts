import type { Logger } from 'pino';
import type { Flow } from '../core/flow.js';
import { decodePacket, hexDump } from '../core/packet.js';
import type { Backend } from '../core/service.js';
import type { Wan } from '../core/wan.js';
import type { LineSink } from '../log.js';
import type { DecisionListener, PacketBytes } from './decider.js';
import type { DeviceNames } from './device-names.js';
import type { Pool, ServiceListener } from './service-decider.js';

export interface MarkLogOptions {
  readonly logger: Logger;
  /** Where lines go ready made; undefined: all go through the logger. */
  readonly line: LineSink | undefined;
  readonly devices: DeviceNames;
  /** Also the packet's decoded headers and bytes. */
  readonly packet: boolean;
}

/** One line for each decision. */
export function markLog(strategy: string, options: MarkLogOptions): DecisionListener {
  return writer((wan: Wan) => ({ mark: wan.mark, wan: wan.name, strategy }), options);
}

/** The same for services: `service` and `backend` stand where `wan` does. */
export function serviceMarkLog(options: MarkLogOptions): ServiceListener {
  const writers = new Map<Pool, Writer<Backend>>();
  return (pool, backend, flow, bytes) => {
    let write = writers.get(pool);
    if (write === undefined) {
      const { service, strategy } = pool;
      write = writer(
        ({ mark, name }) => ({ mark, service: service.name, backend: name, strategy: strategy.name }),
        options,
      );
      writers.set(pool, write);
    }
    write(backend, flow, bytes);
  };
}

type Writer<Target> = (target: Target, flow: Flow, bytes: PacketBytes) => void;
/** What a line says of the one that was chosen. */
type Describe<Target> = (target: Target) => object;

function writer<Target extends object>(describe: Describe<Target>, options: MarkLogOptions): Writer<Target> {
  const { logger, line, devices, packet } = options;
  if (line !== undefined && !packet) return lineWriter(describe, line, devices);
  return (target, flow, bytes) => {
    const fields = { ...describe(target), ...flowFields(flow, devices) };
    logger.info(packet ? { ...fields, ...packetFields(flow, bytes()) } : fields, 'mark');
  };
}

/** The logger's own lines, byte for byte, at a fraction of the price: no object, no walk over its keys. */
function lineWriter<Target extends object>(
  describe: Describe<Target>,
  line: LineSink,
  devices: DeviceNames,
): Writer<Target> {
  const clock = new IsoClock();
  const heads = new WeakMap<Target, string>();
  const head = (target: Target) => {
    let text = heads.get(target);
    if (text === undefined) {
      text = JSON.stringify(describe(target)).slice(1, -1);
      heads.set(target, text);
    }
    return text;
  };
  return (target, flow) => {
    const input = flow.inIfindex === 0 ? 'null' : JSON.stringify(devices.name(flow.inIfindex));
    line(
      `{"level":30,"time":"${clock.now()}",${head(target)},"proto":"${flow.protoName}","src":"${flow.src}",` +
        `"sport":${flow.sport},"dst":"${flow.dst}","dport":${flow.dport},"in":${input},"msg":"mark"}\n`,
    );
  };
}

/** The date as text, made once a millisecond. */
class IsoClock {
  #ms = Number.NaN;
  #text = '';

  now(): string {
    const ms = Date.now();
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
