import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import type { BareMark } from '../core/bare-mark.js';
import { MarkField } from '../core/mark.js';
import type { Service } from '../core/service.js';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import { type CheckConfig, parseChecks } from './check.js';
import { suggestion } from './nearest.js';
import { parseInteger, parseMask } from './number.js';
import { NO_NUMBERS, type Numbers } from './numbers.js';
import { OPTIONS, type Option, type RawConfig } from './options.js';
import { parseBackendField, parseServices } from './service.js';
import { parseWans } from './wan.js';

/** A checked configuration; frozen. */
export interface Config {
  /** The uplinks; empty where there are bare marks in their place, or services alone. */
  readonly wans: readonly Wan[];
  /** Marks 1..N for rules of the user's own, in the place of WANs; empty without `--high-mark`. */
  readonly marks: readonly BareMark[];
  /** What new outgoing connections are given to: the WANs or the marks, whichever there are. */
  readonly targets: readonly (Wan | BareMark)[];
  readonly field: MarkField;
  /** May be there without WANs, and WANs without them. */
  readonly services: readonly Service[];
  /** The number of a backend; apart from `field`. */
  readonly backendField: MarkField;
  /** NFQUEUE number of the services, 0..65535. */
  readonly serviceQueue: number;
  /** Whether FORWARD lets through what the services need. */
  readonly forwardAccept: boolean;
  /** NFQUEUE number, 0..65535; the first of several. */
  readonly queueNum: number;
  /** How many NFQUEUEs the WANs have, 1..16: `queueNum` and those behind it. */
  readonly queues: number;
  /** `kernel`: no daemon decides. */
  readonly engine: 'nfqueue' | 'kernel';
  /** How the kernel chooses, also in a daemon's place. */
  readonly kernelMode: 'random' | 'nth';
  /** `packet` only with the engine `kernel`. */
  readonly per: 'connection' | 'packet';
  /** What becomes of new forwarded connections when no WAN is up. */
  readonly lastResort: 'main' | 'unreachable' | 'blackhole';
  /** Devices whose connections are balanced; empty: every device that is no WAN. */
  readonly lan: readonly string[];
  /** Destination networks left alone beside those the main table knows. */
  readonly exclude: readonly string[];
  readonly logKernel: boolean;
  /** The WAN with mark K has the routing table `table` + K; 256..999999999, since 253 to 255 are the kernel's own. */
  readonly table: number;
  /** Priority of the first of three kinds of ip rules, 1..32763: a rule behind main's (32766) is never asked. */
  readonly priority: number;
  /** A built-in's name or alias, or a file; resolved by `loadStrategy`. */
  readonly strategy: string;
  /** Milliseconds that a packet waits for a decision, 1..10000. */
  readonly deadlineMs: number;
  /** Packets that the kernel holds for the daemon at most, 1..65536. */
  readonly queueLength: number;
  /** Whether the daemon puts back what somebody removed of our rules and routes. */
  readonly repair: boolean;
  /** Count only TCP connections in ESTABLISHED, instead of all live ones. */
  readonly established: boolean;
  /** Where counts come from instead of conntrack. */
  readonly countsFile: string | undefined;
  /** How WANs are probed; may be empty. */
  readonly checks: readonly CheckConfig[];
  /** Which connections of a WAN that went down are cut; those that were never answered are in any case. */
  readonly onDown: 'all' | 'udp' | 'none';
  /** Programs that are run after each change of a WAN's state, in this order; absolute paths, may be empty. */
  readonly hooks: readonly string[];
  /** Milliseconds that one of them may run, 1000..3600000. */
  readonly hookTimeoutMs: number;
  /** How long a WAN that was down must work without a break until it is up, 0..3600000. */
  readonly upAfterMs: number;
  /** How long a WAN that came up takes to get its full share, 0..3600000; 0: it has it at once. */
  readonly slowStartMs: number;
  /** Which connections a WAN that came up takes back from those that are no candidates any more; see `Mover`. */
  readonly onUp: 'none' | 'udp' | 'all';
  /** Path of the control socket. */
  readonly socket: string;
  readonly logMark: boolean;
  readonly logPacket: boolean;
}

/**
 * Checks everything that can be checked without asking the system.
 * @param numbers the numbers that targets have had since `up`; a name keeps its number
 * @throws UsageError
 */
export function parseConfig(raw: RawConfig, numbers: Numbers = NO_NUMBERS): Config {
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
  const marks = bare ? bareMarks(highMark, text('weights'), field) : [];
  const wans = parseWans(wanList, field, {
    remembered: numbers.wans,
    most: highestWanMark(raw, field),
  });
  const targets = bare ? marks : wans;
  const wanQueues = readQueues(raw, targets.length > 0);
  const balanced = readServices(raw, field, wanQueues, bare, numbers);
  if (targets.length === 0 && balanced.services.length === 0) {
    throw new UsageError(
      'no WAN given; add --wan NAME,dev=DEVICE,via=GATEWAY for each uplink, or a --service with its --backend',
    );
  }
  if (targets.length === 0 && raw.strategy !== undefined) {
    throw new UsageError('--strategy is for the WANs; give each --service its strategy=');
  }
  const logPacket = readSwitch(raw, 'log-packet');
  return Object.freeze({
    wans,
    marks,
    targets,
    field,
    ...balanced,
    ...wanQueues,
    ...readEngine(raw),
    lastResort: readLastResort(raw, targets, field),
    lan: readList(raw, 'lan').map((dev) => lanDevice(String(dev), wans)),
    exclude: readList(raw, 'exclude').map((net) => network(String(net))),
    logKernel: readSwitch(raw, 'log-kernel'),
    table: parseInteger('table', text('table')!, 256, 999_999_999),
    priority: parseInteger('priority', text('priority')!, 1, 32_763),
    strategy: text('strategy')!,
    deadlineMs: parseInteger('deadline', text('deadline')!, 1, 10_000),
    queueLength: parseInteger('queue-length', text('queue-length')!, 1, 65_536),
    repair: !readSwitch(raw, 'no-repair'),
    established: readCount(text('count')!) === 'established',
    countsFile: text('counts-file'),
    checks: readChecks(raw, wans),
    onDown: readChoice(raw, 'on-down', ['all', 'udp', 'none']),
    hooks: readHooks(raw, wans),
    hookTimeoutMs: 1000 * parseInteger('hook-timeout', text('hook-timeout')!, 1, 3600),
    upAfterMs: 1000 * parseInteger('up-after', text('up-after')!, 0, 3600),
    slowStartMs: 1000 * parseInteger('slow-start', text('slow-start')!, 0, 3600),
    onUp: readChoice(raw, 'on-up', ['none', 'udp', 'all']),
    socket: socketPath(text('socket')!),
    // A packet is of no use without the line that says where it went.
    logMark: readSwitch(raw, 'log-mark') || logPacket,
    logPacket,
  });
}

function readChecks(raw: RawConfig, wans: readonly Wan[]): readonly CheckConfig[] {
  const list = readList(raw, 'check');
  if (list.length > 0 && wans.length === 0)
    throw new UsageError('--check is for the uplinks of --wan; leave it out, or add them');
  return parseChecks(
    list,
    wans.map((wan) => wan.name),
  );
}

function readHooks(raw: RawConfig, wans: readonly Wan[]): readonly string[] {
  const list = readList(raw, 'hook');
  for (const [i, file] of list.entries()) {
    if (wans.length === 0)
      throw new UsageError('--hook is for the uplinks of --wan; leave it out, or add them');
    // Hooks are not looked for on a PATH, and must be the same from whatever directory the daemon is started.
    if (typeof file !== 'string' || !isAbsolute(file))
      throw new UsageError(`hook "${file}" must be an absolute path; write for example /etc/wanmark/hook`);
    if (list.indexOf(file) !== i) throw new UsageError(`hook ${file} is given twice; give it once`);
  }
  return Object.freeze(list as string[]);
}

type WanQueues = Pick<Config, 'queueNum' | 'queues'>;

/** @throws UsageError */
function readQueues(raw: RawConfig, fed: boolean): WanQueues {
  const queueNum = parseInteger('queue-num', readText(raw, 'queue-num')!, 0, 65535);
  const queues = parseInteger('queues', readText(raw, 'queues')!, 1, 16);
  if (raw.queues !== undefined && !fed)
    throw new UsageError('--queues is for the uplinks of --wan; all services have one queue');
  if (queueNum + queues - 1 > 65535)
    throw new UsageError(
      `queues ${queues} from queue-num ${queueNum} on end beyond 65535; use a lower --queue-num`,
    );
  return { queueNum, queues };
}

type Balanced = Pick<Config, 'services' | 'backendField' | 'serviceQueue' | 'forwardAccept'>;

function readServices(
  raw: RawConfig,
  field: MarkField,
  wanQueues: WanQueues,
  bare: boolean,
  numbers: Numbers,
): Balanced {
  const { queueNum, queues } = wanQueues;
  const behind = queueNum + queues;
  const list = readList(raw, 'service');
  if (bare && list.length > 0)
    throw new UsageError('--high-mark is for rules of your own; leave --service out');
  if (list.length === 0) {
    for (const key of ['backend-mask', 'service-queue', 'forward-accept']) {
      if (raw[key] !== undefined) throw new UsageError(`--${key} goes with --service; leave it out`);
    }
  }
  const backendField = parseBackendField(readText(raw, 'backend-mask')!, list.length > 0 ? field : undefined);
  const services = parseServices(list, readList(raw, 'backend'), backendField, numbers.backends);
  const given = readText(raw, 'service-queue');
  // Without services the default number may lie beyond the last queue; nobody opens it.
  const serviceQueue =
    given === undefined && list.length === 0
      ? queueNum
      : parseInteger('service-queue', given ?? String(behind), 0, 65535);
  if (list.length > 0 && serviceQueue >= queueNum && serviceQueue < behind) {
    const which = queues === 1 ? 'the queue' : `one of the ${queues} queues`;
    throw new UsageError(
      `service-queue ${serviceQueue} is ${which} of the WANs; give it a number of its own`,
    );
  }
  return { services, backendField, serviceQueue, forwardAccept: readSwitch(raw, 'forward-accept') };
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

/** The largest number for a WAN: a last resort that refuses takes the highest one of the field. */
function highestWanMark(raw: RawConfig, field: MarkField): number {
  return readText(raw, 'last-resort') === 'main' ? field.max : field.max - 1;
}

/**
 * Reads what happens when no WAN is up. A last resort that refuses needs the highest mark of the field. @throws
 * UsageError
 */
function readLastResort(raw: RawConfig, targets: Config['targets'], field: MarkField): Config['lastResort'] {
  const lastResort = readChoice(raw, 'last-resort', ['main', 'unreachable', 'blackhole']);
  const taken = lastResort !== 'main' && targets.find(({ mark }) => mark === field.max);
  if (taken) {
    throw new UsageError(
      `WAN "${taken.name}" has mark ${taken.mark}, which --last-resort ${lastResort} needs for itself; use a wider --mask`,
    );
  }
  return lastResort;
}

/** Reads who chooses, how, and whether connections or packets are spread. @throws UsageError */
export function readEngine(raw: RawConfig): Pick<Config, 'engine' | 'kernelMode' | 'per'> {
  const engine = readChoice(raw, 'engine', ['nfqueue', 'kernel']);
  const per = readChoice(raw, 'per', ['connection', 'packet']);
  if (per === 'packet' && engine !== 'kernel') {
    throw new UsageError('--per packet needs --engine kernel; a daemon decides for connections');
  }
  return { engine, kernelMode: readChoice(raw, 'kernel-mode', ['random', 'nth']), per };
}

function readChoice<T extends string>(raw: RawConfig, key: string, choices: readonly T[]): T {
  const value = readText(raw, key)!;
  const choice = choices.find((one) => one === value);
  if (choice === undefined) throw new UsageError(`unknown ${key} "${value}"${suggestion(value, choices)}`);
  return choice;
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

function bareMarks(highMark: string, weights: string | undefined, field: MarkField): readonly BareMark[] {
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
      weight: parseInteger('weights:', shares[i] ?? '1', 0, 65535),
      tier: 1 as const,
      mark: i + 1,
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
  throw new UsageError(`exclude "${net}" is not a network; use for example 10.0.0.0/8`);
}
