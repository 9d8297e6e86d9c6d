import { isIP } from 'node:net';
import { MarkField } from '../core/mark.js';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';
import { parseInteger, parseMask } from './number.js';
import { OPTIONS, type Option, type RawConfig } from './options.js';
import { parseWans } from './wan.js';

/** A checked configuration; frozen. */
export interface Config {
  readonly wans: readonly Wan[];
  readonly field: MarkField;
  /** NFQUEUE number, 0..65535. */
  readonly queueNum: number;
  /** Devices whose connections are balanced; empty: every device that is no WAN. */
  readonly lan: readonly string[];
  /** Destination networks left alone beside those the main table knows. */
  readonly exclude: readonly string[];
  readonly logKernel: boolean;
  /** A built-in's name or alias, or a file; resolved by `loadStrategy`. */
  readonly strategy: string;
  /** True: no WANs but bare marks 1..N for rules of the user's own. */
  readonly bare: boolean;
  /** Milliseconds that a packet waits for a decision, 1..10000. */
  readonly deadlineMs: number;
  /** Count only TCP connections in ESTABLISHED, instead of all live ones. */
  readonly established: boolean;
  /** Where counts come from instead of conntrack. */
  readonly countsFile: string | undefined;
  /** Path of the control socket. */
  readonly socket: string;
  readonly logMark: boolean;
  readonly logPacket: boolean;
}

/** Checks everything that can be checked without the system. @throws UsageError */
export function parseConfig(raw: RawConfig): Config {
  rejectUnknown(raw);
  const text = (key: string) => readText(raw, key);
  const field = new MarkField(parseMask(text('mask')!));
  const highMark = text('high-mark');
  const bare = highMark !== undefined;
  const wanList = readList(raw, 'wan');
  if (bare && wanList.length > 0)
    throw new UsageError('--high-mark is for rules of your own; leave --wan out');
  if (!bare && text('weights') !== undefined) {
    throw new UsageError('--weights goes with --high-mark; give each --wan its weight=');
  }
  const wans = bare ? bareMarks(highMark, text('weights'), field) : parseWans(wanList, field);
  if (wans.length === 0) {
    throw new UsageError('no WAN given; add --wan NAME,dev=DEVICE,via=GATEWAY for each uplink');
  }
  const logPacket = readSwitch(raw, 'log-packet');
  return Object.freeze({
    wans,
    field,
    queueNum: parseInteger('queue-num', text('queue-num')!, 0, 65535),
    lan: readList(raw, 'lan').map((dev) => lanDevice(String(dev), wans)),
    exclude: readList(raw, 'exclude').map((net) => network(String(net))),
    logKernel: readSwitch(raw, 'log-kernel'),
    strategy: text('strategy')!,
    bare,
    deadlineMs: parseInteger('deadline', text('deadline')!, 1, 10_000),
    established: readCount(text('count')!) === 'established',
    countsFile: text('counts-file'),
    socket: socketPath(text('socket')!),
    // A packet without the line that says where it went would be of no use.
    logMark: readSwitch(raw, 'log-mark') || logPacket,
    logPacket,
  });
}

function rejectUnknown(raw: RawConfig): void {
  for (const key of Object.keys(raw)) {
    if (!(key in OPTIONS))
      throw new UsageError(`unknown option "${key}"${suggestion(key, Object.keys(OPTIONS))}`);
  }
}

function readText(raw: RawConfig, key: string): string | undefined {
  const value = raw[key] ?? (OPTIONS[key] as Option).default;
  if (value === undefined) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new UsageError(
    Array.isArray(value)
      ? `${key} is given ${value.length} times; give it once`
      : `${key} must have one value`,
  );
}

function readList(raw: RawConfig, key: string): readonly unknown[] {
  const value = raw[key];
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function readSwitch(raw: RawConfig, key: string): boolean {
  const value = raw[key] ?? false;
  if (typeof value === 'boolean') return value;
  throw new UsageError(`${key} must be true or false`);
}

function readCount(value: string): string {
  if (value === 'live' || value === 'established') return value;
  throw new UsageError(`count "${value}" must be live or established`);
}

/** sockaddr_un's sun_path holds 108 bytes, the closing 0 included (unix(7)). */
const MAX_SOCKET_PATH = 107;

function socketPath(path: string): string {
  if (path !== '' && Buffer.byteLength(path) <= MAX_SOCKET_PATH) return path;
  throw new UsageError(`socket path "${path}" must have 1 to ${MAX_SOCKET_PATH} bytes`);
}

function bareMarks(highMark: string, weights: string | undefined, field: MarkField): readonly Wan[] {
  const count = parseInteger('high-mark', highMark, 1, Number.MAX_SAFE_INTEGER);
  if (count > field.max) {
    throw new UsageError(
      `high-mark ${count} is outside the mask, which holds 1..${field.max}; use a wider --mask`,
    );
  }
  const shares = weights?.split(',') ?? [];
  if (weights !== undefined && shares.length !== count) {
    throw new UsageError(`--weights has ${shares.length} values for ${count} marks; give one for each`);
  }
  const marks = Array.from({ length: count }, (_, i) =>
    Object.freeze({
      name: `mark${i + 1}`,
      dev: '',
      via: 'dev',
      via6: 'dev',
      weight: parseInteger('weights:', shares[i] ?? '1', 0, 65535),
      tier: 1,
      mark: i + 1,
      nat: 'none',
      nat6: 'none',
    }),
  );
  if (marks.every((mark) => mark.weight === 0))
    throw new UsageError('all weights are 0; give one mark 1 or more');
  return marks;
}

function lanDevice(dev: string, wans: readonly Wan[]): string {
  if (wans.some((wan) => wan.dev === dev))
    throw new UsageError(`device ${dev} cannot be both --lan and a WAN`);
  return dev;
}

function network(net: string): string {
  const [address = '', length, ...rest] = net.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  const lengthFits = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
  if (isIP(address) !== 0 && lengthFits && rest.length === 0) return net;
  throw new UsageError(`exclude "${net}" is no network; use for example 10.0.0.0/8`);
}
