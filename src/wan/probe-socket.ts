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
  /** Whether it is a raw socket; see {@link DatagramProbe.raw}. */
  readonly raw: boolean;
  send(bytes: Uint8Array): number;
  close(): void;
}

/** Thrown with `step` and `errno`. */
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
  /** A descriptor, not connected. */
  openTcpProbe(options: NativeOptions): number;
}

/** What a probe's socket could not do; `code` is the name of the errno, as in Node's own errors. */
export class ProbeError extends Error {
  readonly code: string;
  /** `device`, `connect`, `send`, ... */
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

/** `manualStart`, which the types do not know: without it Node reads at once, and a socket without peer says ENOTCONN. */
const UNCONNECTED = { readable: true, writable: true, manualStart: true } as SocketConstructorOpts;

/** A TCP socket that will leave by `path`, not connected yet. @throws ProbeError */
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

/** Told of each message, or once of the error that ends it: what ICMP answered, for example. */
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
   * Whether an echo socket is a raw one, because net.ipv4.ping_group_range forbids others: then IPv4 messages
   * begin with the IP header, the identifier is ours to choose, and replies to other programs come along.
   */
  get raw(): boolean {
    return this.#native.raw;
  }

  /** @throws ProbeError */
  send(bytes: Uint8Array): void {
    const errno = this.#native.send(bytes);
    if (errno !== 0) throw new ProbeError('send', errno);
  }

  /** May be called again. Nothing is told afterwards. */
  close(): void {
    this.#native.close();
  }
}
