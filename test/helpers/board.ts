import { readFileSync } from 'node:fs';
import type { Prometheus, Series } from './prometheus.js';

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

interface Board {
  readonly panels: readonly { readonly title: string; readonly targets: readonly Target[] }[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

/** What a panel of the board asks, with the series that it is given. */
export interface Asked {
  readonly panel: string;
  readonly expression: string;
  /** The labels that its legend names. */
  readonly labels: readonly string[];
  readonly series: readonly Series[];
}

/** What Grafana makes of `$__rate_interval` where a scrape is made each second and a panel is wide: four scrapes at least. */
const RATE_INTERVAL = '1m';

/**
 * Asks what a board of Grafana asks: first its variables, with all of their values chosen, then the queries of its panels.
 * @throws {Error} for a variable that is none of those that this understands
 */
export async function askBoard(file: URL, prometheus: Prometheus): Promise<Asked[]> {
  const { panels, templating } = JSON.parse(readFileSync(file, 'utf8')) as Board;
  const chosen = new Map([['__rate_interval', RATE_INTERVAL]]);
  const filled = (text: string) =>
    text.replaceAll(/\$(\w+)/g, (_, name: string) => {
      const value = chosen.get(name);
      if (value === undefined) throw new Error(`no variable $${name}`);
      return value;
    });
  for (const { name, type, definition = '' } of templating.list) {
    if (type === 'datasource') continue;
    const [, metric, label] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
    if (metric === undefined || label === undefined) throw new Error(`variable ${name}: ${definition}`);
    const [series = []] = await prometheus.query(filled(metric));
    // As Grafana fills in several values in a query for Prometheus: each is escaped, for a string in a string.
    const values = new Set(series.map((one) => one.metric[label]!.replaceAll(/[\\.]/g, '\\\\$&')));
    chosen.set(name, `(${[...values].join('|')})`);
  }
  const targets = panels.flatMap(({ title, targets }) => targets.map((target) => ({ title, ...target })));
  const expressions = targets.map(({ expr }) => filled(expr));
  const answers = await prometheus.query(...expressions);
  return targets.map(({ title, legendFormat }, i) => ({
    panel: title,
    expression: expressions[i]!,
    labels: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!),
    series: answers[i]!,
  }));
}
