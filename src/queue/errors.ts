import { getSystemErrorMap } from 'node:util';
import { SystemError } from '../errors.js';
import type { NativeEvent, NativeOpenError } from './native.js';
import type { QueueEntry } from './proc.js';

/** What went wrong with a queue. */
export type QueueErrorCode =
  /** Another socket holds the queue. */
  | 'QUEUE_TAKEN'
  /** CAP_NET_ADMIN is missing, from the beginning or after a while. */
  | 'QUEUE_NOT_PRIVILEGED'
  /** nfnetlink_queue is not in this kernel. */
  | 'QUEUE_NO_KERNEL_SUPPORT'
  /** The kernel does not know the queue any more. */
  | 'QUEUE_GONE'
  /** `decide` threw; the exception is the `cause`. */
  | 'QUEUE_CALLBACK'
  /** Any other error of the operating system; the message has it. */
  | 'QUEUE_SYSTEM';

/** A failure of a queue. The message is one line: what is wrong, and what to do about it. */
export class QueueError extends SystemError {
  declare readonly code: QueueErrorCode;

  constructor(code: QueueErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

const NEEDS_CAPABILITY =
  'needs CAP_NET_ADMIN: run as root or with that capability (systemd: AmbientCapabilities=CAP_NET_ADMIN)';
const NO_NFQUEUE =
  'this kernel has no NFQUEUE: run "modprobe nfnetlink_queue", or use a kernel with CONFIG_NETFILTER_NETLINK_QUEUE';

/** An errno in Node's words: `EPERM: operation not permitted`. */
function describeErrno(errno: number): string {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [];
  return name === undefined ? `error ${errno}` : `${name}: ${text}`;
}

function errnoName(errno: number): string | undefined {
  return getSystemErrorMap().get(-errno)?.[0];
}

/** The port id of the queue's holder in parentheses; empty where the table does not have it. */
function holder(num: number, table: QueueEntry[] | undefined): string {
  const entry = table?.find((candidate) => candidate.num === num);
  return entry === undefined ? '' : ` (port id ${entry.portId})`;
}

/** The error that a failed open means. @param ours whether this process itself has the queue open */
export function describeOpenError(
  num: number,
  error: NativeOpenError,
  ours: boolean,
  table: QueueEntry[] | undefined,
): QueueError {
  const options = { cause: error };
  const name = errnoName(error.errno);
  if (error.step === 'privilege') {
    return new QueueError('QUEUE_NOT_PRIVILEGED', `queue ${num} ${NEEDS_CAPABILITY}`, options);
  }
  // When the privilege is there, BIND answers EPERM where another port id has the queue, not EBUSY (nfqnl_recv_config).
  if (error.step === 'bind' && (name === 'EPERM' || name === 'EBUSY')) {
    const message = ours
      ? `queue ${num} is open already in this process; close it first`
      : `queue ${num} belongs to another program${holder(num, table)}; stop it or choose another queue number`;
    return new QueueError('QUEUE_TAKEN', message, options);
  }
  // nfnetlink answers EINVAL for a subsystem that is not registered (nfnetlink_rcv_msg).
  const unsupported = name === 'EPROTONOSUPPORT' || name === 'EAFNOSUPPORT' || name === 'EINVAL';
  if (unsupported && (error.step === 'socket' || error.step === 'bind')) {
    return new QueueError('QUEUE_NO_KERNEL_SUPPORT', NO_NFQUEUE, options);
  }
  return new QueueError(
    'QUEUE_SYSTEM',
    `queue ${num} cannot be opened: ${error.step}: ${describeErrno(error.errno)}`,
    options,
  );
}

/** The error that an event of the I/O thread means. */
export function describeEvent(num: number, kind: NativeEvent, value: unknown): QueueError {
  switch (kind) {
    case 'callback':
      return new QueueError('QUEUE_CALLBACK', `the decide function of queue ${num} threw: ${String(value)}`, {
        cause: value,
      });
    case 'permission':
      return new QueueError(
        'QUEUE_NOT_PRIVILEGED',
        `the kernel refuses the verdicts for queue ${num}, which ${NEEDS_CAPABILITY} for as long as it is open`,
      );
    case 'gone':
      return new QueueError('QUEUE_GONE', `queue ${num} does not exist any more; close it and open it again`);
    case 'socket':
      return new QueueError('QUEUE_SYSTEM', `queue ${num}: ${describeErrno(Number(value))}`);
  }
}
