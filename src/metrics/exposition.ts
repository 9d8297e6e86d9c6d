/**
 * The text format of Prometheus, version 0.0.4, as its page "Exposition formats" has it. Ours are a few snapshots of counters
 * that others keep, which a client library has no way to take: its counters are its own, to be increased one by one.
 */

/** What an answer in this format says of itself. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The labels of a sample, by name; a client is never one. */
export type Labels = Readonly<Record<string, string | number>>;

/** One value of a metric; `null` and `undefined` are left out, since they are not known. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number | null | undefined;
}

/** A metric with all its values. */
export interface Metric {
  readonly name: string;
  /** `counter`: only grows, until the program starts anew. `gauge`: goes up and down. */
  readonly type: 'counter' | 'gauge';
  /** One sentence; begins with a capital and ends with its full stop. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The metrics as text. Those without a known value are left out as a whole. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics.map(block).join('');
}

function block({ name, type, help, samples }: Metric): string {
  const lines = [...together(samples)].map(([labels, value]) => `${name}${labels} ${value}\n`);
  if (lines.length === 0) return '';
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

/** The values by their labels. Two samples with the same labels would make the whole answer invalid, so they are added up. */
function together(samples: readonly Sample[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of samples) {
    if (value === null || value === undefined) continue;
    const text = labelText(labels);
    sums.set(text, (sums.get(text) ?? 0) + value);
  }
  return sums;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(String(value)).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** A backslash and a line's end would end the line or change what follows. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
