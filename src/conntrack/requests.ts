import { isIP } from 'node:net';
import { hex } from '../core/mark.js';
import type { Tuple } from '../core/tuple.js';
import { UsageError } from '../errors.js';
import { loadAddon } from '../native.js';
import { describeConntrackError } from './errors.js';
import type { ConntrackAddon, NativeConntrackError, NativeEntry } from './native.js';
import type { Flushed, Selection } from './selection.js';

export type { Flushed, Selection } from './selection.js';

/** TCP states as conntrack(8) prints them. */
export type TcpState = (typeof TCP_STATES)[number];

const TCP_STATES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;

/** One connection, as conntrack has it. */
export interface Entry {
  /** The whole mark, 32 bits. */
  mark: number;
  /** IPS_* bits (linux/netfilter/nf_conntrack_common.h). */
  status: number;
  /** Seconds until the connection expires unless a packet comes. */
  timeout: number;
  /** Undefined for protocols other than TCP. */
  tcpState: TcpState | undefined;
}

/**
 * Makes conntrack forget every connection, IPv4 and IPv6, whose mark under `mask` is `mark`. One message to the kernel
 * does it; where `selection` asks for more than a family, connections are ended one by one. The next packet of each is
 * a new connection. `mask` 0 is refused, since it would mean every connection of the machine.
 *
 * @returns undefined where one message did it, since nobody counts then
 * @throws UsageError for a mask that is 0 or not a 32-bit number, or a mark with bits outside it
 * @throws ConntrackError when the system refuses
 */
export async function flush(
  mark: number,
  mask: number,
  selection: Selection = {},
): Promise<Flushed | undefined> {
  if (!isWord(mask) || mask === 0) {
    throw new UsageError(
      `cannot flush under mask ${mask}: it would be every connection; use for example 0xff`,
    );
  }
  if (!isMarkIn(mark, mask)) {
    throw new UsageError(`mark ${hex(mark)} has bits outside mask ${hex(mask)}; nothing was flushed`);
  }
  const { flushConntrack } = loadAddon<ConntrackAddon>();
  try {
    return await flushConntrack(mark, mask, selection);
  } catch (error) {
    throw describeConntrackError(`flush of ${hex(mark)}/${hex(mask)}`, error as NativeConntrackError);
  }
}

interface Question {
  readonly tuple: Tuple;
  readonly resolve: (entry: Entry | undefined) => void;
  readonly reject: (error: unknown) => void;
}

let questions: Question[] = [];

/**
 * The connection of a tuple; undefined when there is none. Look-ups made in one go become one question to the kernel:
 * each question wakes a thread, and decisions wait meanwhile.
 *
 * @throws UsageError for an address that is not of the family
 * @throws ConntrackError when the system refuses
 */
export async function lookup(tuple: Tuple): Promise<Entry | undefined> {
  checkAddresses(tuple);
  return new Promise((resolve, reject) => {
    if (questions.length === 0) queueMicrotask(askAll);
    questions.push({ tuple, resolve, reject });
  });
}

async function askAll(): Promise<void> {
  const asked = questions;
  questions = [];
  try {
    const { lookupConntrack } = loadAddon<ConntrackAddon>();
    const entries = await lookupConntrack(asked.map(({ tuple }) => tuple));
    for (const [i, { resolve }] of asked.entries()) resolve(describe(entries[i]));
  } catch (error) {
    const described = describeConntrackError('look-up', error as NativeConntrackError);
    for (const { reject } of asked) reject(described);
  }
}

/**
 * Makes conntrack forget these connections, one by one, each only while it has its mark under `mask` and, where only the
 * unanswered are meant, has had no answer. The next packet of each is a new connection. A successor that has the same tuple
 * survives. Many questions wake one thread once, so ask for many at a time.
 *
 * @returns for each question, in their order, whether its connection was there and is ended
 * @throws UsageError for a mask that is 0 or not a 32-bit number, a mark with bits outside it, or an address that is
 *   not of the family
 * @throws ConntrackError when the system refuses; some of the connections may have been ended by then
 */
export async function forget(
  questions: readonly { tuple: Tuple; mark: number }[],
  mask: number,
  which: 'all' | 'unanswered',
): Promise<boolean[]> {
  if (!isWord(mask) || mask === 0) throw new UsageError(`cannot tell connections apart under mask ${mask}`);
  for (const { tuple, mark } of questions) {
    checkAddresses(tuple);
    if (!isMarkIn(mark, mask)) {
      throw new UsageError(`mark ${hex(mark)} has bits outside mask ${hex(mask)}; nothing was forgotten`);
    }
  }
  if (questions.length === 0) return [];
  const { forgetConntrack } = loadAddon<ConntrackAddon>();
  try {
    return await forgetConntrack(questions, mask, which === 'unanswered');
  } catch (error) {
    throw describeConntrackError('forgetting connections', error as NativeConntrackError);
  }
}

function checkAddresses({ family, src, dst }: Tuple): void {
  if (isIP(src) !== family || isIP(dst) !== family) {
    throw new UsageError(`no IPv${family} addresses: ${src}, ${dst}`);
  }
}

function describe(entry: NativeEntry | undefined): Entry | undefined {
  if (entry === undefined) return undefined;
  const { mark, status, timeout, tcpState } = entry;
  return { mark, status, timeout, tcpState: tcpState === undefined ? undefined : TCP_STATES[tcpState] };
}

function isMarkIn(mark: number, mask: number): boolean {
  return isWord(mark) && (mark & ~mask) === 0;
}

function isWord(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}
