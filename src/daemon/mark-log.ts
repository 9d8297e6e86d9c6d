import type { Logger } from 'pino';
import type { Flow } from '../core/flow.js';
import { decodePacket, hexDump } from '../core/packet.js';
import type { DecisionListener } from './decider.js';
import type { DeviceNames } from './device-names.js';
import type { ServiceListener } from './service-decider.js';

/** One line for each decision; with `packet` its decoded headers and bytes too. */
export function markLog(
  logger: Logger,
  strategy: string,
  devices: DeviceNames,
  packet: boolean,
): DecisionListener {
  return (wan, flow, bytes) => {
    const line = { mark: wan.mark, wan: wan.name, strategy, ...flowFields(flow, devices) };
    logger.info(packet ? { ...line, ...packetFields(flow, bytes) } : line, 'mark');
  };
}

/** The same for services: `service` and `backend` stand where `wan` does. */
export function serviceMarkLog(logger: Logger, devices: DeviceNames, packet: boolean): ServiceListener {
  return ({ service, strategy }, backend, flow, bytes) => {
    const chosen = {
      mark: backend.mark,
      service: service.name,
      backend: backend.name,
      strategy: strategy.name,
    };
    const line = { ...chosen, ...flowFields(flow, devices) };
    logger.info(packet ? { ...line, ...packetFields(flow, bytes) } : line, 'mark');
  };
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
