import { closeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import { useProbePort } from '../conntrack/probe-ports.js';
import { forget } from '../conntrack/requests.js';
import type { Family } from '../core/family.js';
import { TCP, UDP } from '../core/protocol.js';
import type { Tuple } from '../core/tuple.js';
import { loadAddon } from '../native.js';
import type { CheckPath } from './check/check.js';

interface NativeOptions {
  family: Family;
  mark: number;
  device: string | undefined;
  source: string | undefined;
  /** TCP: the ACK that ends the handshake waits for data, and closing sends a reset. */
  halfOpen?: boolean;
}

/** The socket's own end. `address` is the one of zeros where connecting will choose it. */
interface NativeLocal {
  readonly address: string;
  readonly port: number;
}

interface NativeDatagramProbe {
  readonly local: NativeLocal;
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
  /** Returns a descriptor that is bound, and not connected yet. */
  openTcpProbe(options: NativeOptions): NativeLocal & { readonly fd: number };
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

/**
 * A TCP socket that will leave by `path`; not connected yet. It is no connection of the WAN while it lives, and when it
 * ends unanswered conntrack forgets it, which would otherwise keep it as one for two minutes
 * (nf_conntrack_tcp_timeout_syn_sent).
 *
 * @param halfOpen resets the connection when it is closed as soon as it is answered, so that the peer's program never
 *   sees it: it would log each one, or, like MySQL, refuse a host that connects and says nothing (max_connect_errors)
 * @throws ProbeError
 */
export function tcpSocket(path: CheckPath, halfOpen = false): Socket {
  let opened: ReturnType<ProbeAddon['openTcpProbe']>;
  try {
    opened = loadAddon<ProbeAddon>().openTcpProbe({ ...options(path), halfOpen });
  } catch (error) {
    throw describe(error);
  }
  const { fd, port } = opened;
  let socket: Socket;
  try {
    socket = new Socket({ ...UNCONNECTED, fd });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const release = useProbePort('tcp', port);
  let tuple: Tuple | undefined;
  socket.once('connectionAttempt', (dst, dport) => {
    // The kernel chooses the address in connect(2), which follows this event.
    process.nextTick(() => {
      const src = path.source ?? socket.localAddress;
      if (src !== undefined) tuple = { family: path.family, proto: TCP, src, dst, sport: port, dport };
    });
  });
  // An answered connection ends with its FIN or reset.
  socket.once('connect', () => {
    tuple = undefined;
  });
  socket.once('close', () => void leaveNothing(tuple, path.mark, true).then(release));
  return socket;
}

/**
 * Makes conntrack forget a probe that is over. What the system refuses is left to expire, since a probe has to work
 * without conntrack, too.
 */
async function leaveNothing(tuple: Tuple | undefined, mark: number, unanswered: boolean): Promise<void> {
  if (tuple === undefined || mark === 0) return;
  await forget([{ tuple, mark }], mark, unanswered ? 'unanswered' : 'all').catch(() => undefined);
}

/** Addresses that no network has (RFC 7526, RFC 3056), so that their routes are those to the Internet. */
const INTERNET = { 4: '192.88.99.1', 6: '2002:c058:6301::1' } as const;
/** The discard port. Nothing is sent to it. */
const DISCARD = 9;

/** The address that the kernel gives to what goes into the Internet by a path; undefined while there is none. Sends nothing. */
export function sourceOf(path: CheckPath): string | undefined {
  if (path.source !== undefined) return path.source;
  const { DatagramProbe: Native } = loadAddon<ProbeAddon>();
  try {
    const native = new Native(
      { ...options(path), kind: 'udp', peer: INTERNET[path.family], port: DISCARD },
      () => undefined,
    );
    const { address } = native.local;
    native.close();
    return address;
  } catch {
    return undefined;
  }
}

/** Told of each message, or once of the error that ends the socket, such as an ICMP answer. */
export type OnDatagram = (error: ProbeError | undefined, message: Uint8Array) => void;

const NOTHING = new Uint8Array();

/**
 * A UDP or ICMP echo socket that leaves by a path and talks to one peer. It must be closed. It is no connection of the
 * WAN: for UDP this is seen to as in {@link tcpSocket}, and no ping from this machine counts as one.
 */
export class DatagramProbe {
  readonly #native: NativeDatagramProbe;
  readonly #onClosed: () => void;

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
    this.#onClosed = kind === 'udp' ? this.#leaveNothing(path, peer, port) : () => undefined;
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
    this.#onClosed();
  }

  /** Keeps the probe from being counted, until the returned function is called. */
  #leaveNothing({ family, mark }: CheckPath, dst: string, dport: number): () => void {
    const { address: src, port: sport } = this.#native.local;
    const release = useProbePort('udp', sport);
    let closed = false;
    return () => {
      if (closed) return;
      closed = true;
      // Answered or not, the entry would count for half a minute (nf_conntrack_udp_timeout).
      void leaveNothing({ family, proto: UDP, src, dst, sport, dport }, mark, false).then(release);
    };
  }
}
