import assert from 'node:assert/strict';
import type { Host } from '#wanmark/lab/host.js';
import type { Program } from '#wanmark/lab/program.js';
import { packagedArgv } from './beside.js';
import { eventually } from './router-state.js';

/** One series of an answer: its labels, with its name as `__name__`, and its value where it was asked for. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A rule as Prometheus evaluates it. */
export interface AlertRule {
  readonly name: string;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
  readonly state: 'inactive' | 'pending' | 'firing';
  readonly alerts: readonly { readonly labels: Readonly<Record<string, string>> }[];
}

interface Answer<T> {
  readonly status: 'success' | 'error';
  readonly error?: string;
  readonly data: T;
}

/** Asks all paths at once and prints the answers as one array; none while nobody listens. */
const FETCH = `Promise.all(process.argv.slice(1).map((path) =>
  fetch('http://127.0.0.1:9090/api/v1/' + path).then((answer) => answer.json())
)).then((answers) => console.log(JSON.stringify(answers)), () => console.log('[]'))`;

/** Debian's Prometheus (`packages.sh`) on a host, which scrapes an address there once in a second. */
export class Prometheus {
  readonly #host: Host;
  readonly #program: Program;

  /** @param target the address and port of the metrics @param rules a file of alerts */
  constructor(host: Host, target: string, rules: string) {
    this.#host = host;
    const script = `
mkdir -p /run/prometheus; cd /run/prometheus
cat >conf.yml <<end
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${rules}]
scrape_configs: [{ job_name: wanmark, static_configs: [{ targets: ['${target}'] }] }]
end
exec prometheus --config.file=conf.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:9090`;
    this.#program = host.spawn(packagedArgv(host, ['sh', '-ec', script]));
  }

  /** Waits until it has scraped twice, so that it knows rates. */
  async ready(): Promise<void> {
    const scrapes = `query?query=${encodeURIComponent('count_over_time(wanmark_daemon_up[1h])')}`;
    await eventually(
      () => this.#ask<{ result: Series[] }>([scrapes]),
      ([answer]) => Number(answer?.data.result[0]?.value[1]) >= 2,
      'two scrapes',
    );
  }

  /** What it knows now, for each of the expressions. @throws {AssertionError} where it does not understand one */
  async query(...expressions: readonly string[]): Promise<Series[][]> {
    const paths = expressions.map((one) => `query?query=${encodeURIComponent(one)}`);
    const answers = await this.#ask<{ result: Series[] }>(paths);
    for (const [i, { status, error }] of answers.entries())
      assert.equal(status, 'success', `${expressions[i]}: ${error}`);
    return answers.map(({ data }) => data.result);
  }

  /** The alerts' rules, as they were last evaluated. */
  async rules(): Promise<AlertRule[]> {
    const [answer] = await this.#ask<{ groups: { rules: AlertRule[] }[] }>(['rules']);
    return answer!.data.groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    await this.#program.kill();
    await this.#program.exited;
  }

  async #ask<T>(paths: readonly string[]): Promise<Answer<T>[]> {
    return JSON.parse((await this.#host.exec([process.execPath, '-e', FETCH, ...paths])).stdout);
  }
}
