import type { Config } from '../config/config.js';
import type { Numbers } from '../config/numbers.js';
import { ConntrackCounter, ConntrackError } from '../conntrack/counter.js';
import { hex, type MarkField } from '../core/mark.js';
import { backendName } from '../core/service.js';
import type { FieldInUse } from '../system/foreign-marks/field.js';
import { foreignMarks } from '../system/foreign-marks.js';
import type { Run } from '../system/run.js';

/** How long the look at the connections may take: it reads the whole table, some 3 us an entry. */
const PATIENCE_MS = 2000;
/** The largest number that is looked for. A field of more bits is read as far as that. */
const HIGHEST = 0xffff;

/**
 * Who else uses bits of our fields: rules that write them, ip rules that match our marks, and connections that have
 * other numbers in them. One line each with what to do; none of it keeps us from working.
 */
export async function markConflicts(
  config: Pick<Config, 'wans' | 'services' | 'fields'>,
  numbers: Numbers,
  run?: Run,
): Promise<readonly string[]> {
  const { wans, services, fields } = config;
  const used: FieldInUse[] = [];
  if (wans.length > 0) {
    const targets = wans.map(({ name, mark }) => ({ name: `WAN ${name}`, mark }));
    used.push({ field: fields.wans, option: 'mask', targets });
  }
  if (services.length > 0) {
    const targets = services.flatMap((service) =>
      service.backends.map((one) => ({ name: `backend ${backendName(service, one)}`, mark: one.mark })),
    );
    used.push({ field: fields.backends, option: 'backend-mask', targets });
  }
  const [rules, ...connections] = await Promise.all([
    foreignMarks(used, run),
    ...used.map(async (one) => {
      const remembered = one.option === 'mask' ? numbers.wans : numbers.backends;
      return foreignConnections(one, new Set(remembered.values()));
    }),
  ]);
  return [...rules, ...connections.flat()];
}

/**
 * The connections whose number in a field is nobody's of ours. The highest one is the last resort's.
 * @param remembered numbers of targets that there were
 */
async function foreignConnections(
  { field, option, targets }: FieldInUse,
  remembered: ReadonlySet<number>,
): Promise<string[]> {
  const own = new Set([...remembered, ...targets.map(({ mark }) => mark), field.max]);
  const counts = await countsOf(field);
  const foreign = counts.filter(([number]) => !own.has(number));
  const count = foreign.reduce((sum, [, connections]) => sum + connections, 0);
  if (count === 0) return [];
  const example = field.format(foreign[0]![0]);
  return [
    `${count} connection${count === 1 ? ' has a mark' : 's have marks'} in the bits of --${option} ${hex(field.mask)} that wanmark did not give (${example}), ` +
      'so they are not balanced; if it is another program that gives them, give wanmark other bits, docs/marks.md says which are free',
  ];
}

/** The live connections of each number in the field; none where the kernel does not show them. */
async function countsOf(field: MarkField): Promise<[number: number, connections: number][]> {
  let counter: ConntrackCounter;
  const highest = Math.min(field.max, HIGHEST);
  try {
    counter = ConntrackCounter.open(
      { mask: field.mask, highest, updates: false, intervalMs: 60_000 },
      () => {},
    );
  } catch (error) {
    if (error instanceof ConntrackError) return [];
    throw error;
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([counter.ready, late]);
  clearTimeout(timer);
  const counts = Array.from({ length: highest }, (_, i): [number, number] => [i + 1, counter.count(i + 1)]);
  await counter.close();
  return counts.filter(([, connections]) => connections > 0);
}
