/** Prints the results as Markdown on standard output, and remembers which limits were not held. */
export class Report {
  /** Whether limits count: a smoke run is too short for them to mean something. */
  readonly #limits: boolean;
  readonly #missed: string[] = [];

  constructor(limits: boolean) {
    this.#limits = limits;
  }

  /** Whether every limit was held and every count was right. */
  get good(): boolean {
    return this.#missed.length === 0;
  }

  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  title(text: string): void {
    this.line(`\n## ${text}\n`);
  }

  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    for (const cells of [head, head.map(() => '---'), ...rows]) this.line(`| ${cells.join(' | ')} |`);
    this.line();
  }

  /** Reports a figure that depends on time and machine; its limit does not count in a smoke run. */
  held(what: string, value: number, limit: number): void {
    const good = value <= limit;
    const verdict = this.#limits ? ` (limit ${limit})${good ? '' : ' NOT HELD'}` : '';
    this.line(`${what}: ${value.toFixed(2)}${verdict}`);
    if (!good && this.#limits) this.#missed.push(what);
  }

  /** Reports a count whose limit holds on any machine, in a smoke run too. */
  exact(what: string, value: number, most: number): void {
    this.line(`${what}: ${value}${value <= most ? '' : ` (at most ${most}) NOT HELD`}`);
    if (!(value <= most)) this.#missed.push(what);
  }
}
