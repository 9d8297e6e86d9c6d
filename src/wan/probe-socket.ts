import { closeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import type { Family } from '../core/family.js';
import { loadAddon } from '../native.js';
import type { CheckPath } from './check/check.js';

interface NativeOptions {
  family: Family;
  mark: number;
  device: string | undefined;
  source: string | undefined;
}

interface NativeDatagramProbe {
  /** Whether the socket is a raw one; see {@link DatagramProbe.raw}. */
  readonly raw: boolean;
  send(bytes: Uint8Array): number;
  close(): void;
}

/** The addon's error, thrown with `step` and `errno`. */
interface NativeProbeError extends Error {
  step: 'address' | 'socket' | 'mark' | 'device' | 'source' | 'connect' | 'loop';
  errno: number;
}

/** This folder's part of the addon. */
interface ProbeAddon {
  DatagramProbe: new (
    options: NativeOptions & { kind: 'udp' | 'echo'; peer: string; port: number },
    onEvent: (errno: number, message: Uint8Array | undefined) => void,
  ) => NativeDatagramProbe;
  /** Returns a descriptor that is not connected yet. */
  openTcpProbe(options: NativeOptions): number;
}

/** A failure of a probe's socket; `code` is the name of the errno, as in Node's own errors. */
export class ProbeError extends Error {
  readonly code: string;
  /** The step that failed: `device`, `connect`, `send`, ... */
  readonly step: string;

  constructor(step: string, errno: number) {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, ''];
    super(`${step}: ${code}${text && ` (${text})`}`);
    this.name = 'ProbeError';
    this.code = code;
    this.step = step;
  }
}

function options({ family, mark, device, source }: CheckPath): NativeOptions {
  return { family, mark, device, source };
}

function describe(error: unknown): unknown {
  const { step, errno } = error as Partial<NativeProbeError>;
  return step === undefined || errno === undefined ? error : new ProbeError(step, errno);
}

/**
 * Node's types do not know `manualStart`. Without it Node reads at once, and an unconnected socket reports ENOTCONN.
 */
const UNCONNECTED = { readable: true, writable: true, manualStart: true } as SocketConstructorOpts;

/** A TCP socket that will leave by `path`; not connected yet. @throws ProbeError */
export function tcpSocket(path: CheckPath): Socket {
  let fd: number;
  try {
    fd = loadAddon<ProbeAddon>().openTcpProbe(options(path));
  } catch (error) {
    throw describe(error);
  }
  try {
    return new Socket({ ...UNCONNECTED, fd });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Told of each message, or once of the error that ends the socket, such as an ICMP answer. */
export type OnDatagram = (error: ProbeError | undefined, message: Uint8Array) => void;

const NOTHING = new Uint8Array();

/** A UDP or ICMP echo socket that leaves by a path and talks to one peer. It must be closed. */
export class DatagramProbe {
  readonly #native: NativeDatagramProbe;

  /** @throws ProbeError */
  constructor(kind: 'udp' | 'echo', path: CheckPath, peer: string, port: number, onDatagram: OnDatagram) {
    const { DatagramProbe: Native } = loadAddon<ProbeAddon>();
    try {
      this.#native = new Native({ ...options(path), kind, peer, port }, (errno, message) => {
        onDatagram(errno === 0 ? undefined : new ProbeError('receive', errno), message ?? NOTHING);
      });
    } catch (error) {
      throw describe(error);
    }
  }

  /**
   * Whether an echo socket is a raw one, because net.ipv4.ping_group_range forbids others. Then IPv4 messages begin
   * with the IP header, we choose the identifier, and replies to other programs arrive as well.
   */
  get raw(): boolean {
    return this.#native.raw;
  }

  /** @throws ProbeError */
  send(bytes: Uint8Array): void {
    const errno = this.#native.send(bytes);
    if (errno !== 0) throw new ProbeError('send', errno);
  }

  /** Closes the socket; nothing is told afterwards. May be called again. */
  close(): void {
    this.#native.close();
  }
}
