// Node's test reporter of scripts/test.sh: a line for each file when it ends, and each failure in full. At the end come
// the totals, the slowest files and each failure again in a few lines, so that a log's last lines say what failed even
// when its middle is cut.
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

type EventOf<Type extends TestEvent['type']> = Extract<TestEvent, { type: Type }>['data'];

const SLOWEST = 15;
/** About how many lines the failures may take at the end. */
const LINES_OF_FAILURES = 40;
const MOST_FAILURES = 13;
const MOST_LINES_EACH = 12;
const LONGEST_LINE = 160;
/** How many lines of what a file wrote to standard error are kept, for the case that it crashes. */
const LAST_WORDS = 8;

/** The error of a test, or of a file whose process ended badly. */
type Ended = EventOf<'test:fail'>['details']['error'] & {
  readonly failureType?: string;
  readonly exitCode?: number | null;
  readonly signal?: NodeJS.Signals | null;
};

interface Failure {
  /** The file and line, and the names of the test and of those around it. */
  readonly title: string;
  readonly message: string;
}

/** A path as one types it in the checkout. */
function short(path: string): string {
  return relative(process.cwd(), path);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(7)} s`;
}

class Report {
  readonly #files: { readonly path: string; readonly ms: number }[] = [];
  readonly #failures: Failure[] = [];
  readonly #totals: string[] = [];
  readonly #lastWords = new Map<string, string[]>();
  /** The names of the tests that have started, by depth; the runner reports one file after the other. */
  #names: string[] = [];

  /** What there is to say about an event at once. */
  hear({ type, data }: TestEvent): string {
    switch (type) {
      case 'test:start':
        this.#names = [...this.#names.slice(0, data.nesting), data.name];
        return '';
      case 'test:complete':
        return this.#complete(data);
      case 'test:pass':
        return typeof data.skip === 'string' ? `skipped: ${this.#title(data)}: ${data.skip}\n` : '';
      case 'test:fail':
        return this.#fail(data);
      case 'test:stdout':
        return data.message;
      case 'test:stderr':
        this.#lastWords.set(
          data.file,
          [...(this.#lastWords.get(data.file) ?? []), ...said(data)].slice(-LAST_WORDS),
        );
        return data.message;
      case 'test:diagnostic':
        // The totals are of no file.
        if (data.file !== undefined) return `${data.message}\n`;
        this.#totals.push(`# ${data.message}`);
        return '';
      default:
        return '';
    }
  }

  /** The last lines of all. */
  end(): string {
    const slowest = this.#files.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST);
    const lines = [
      '',
      'slowest files:',
      ...slowest.map(({ path, ms }) => `${seconds(ms)}  ${path}`),
      ...this.#totals,
    ];
    return [...lines, ...this.#failuresAgain(), ''].join('\n');
  }

  /** A file is a test whose name is its path, and ends when its process has ended. */
  #complete({ file, name, details }: EventOf<'test:complete'>): string {
    if (file !== name) return '';
    this.#files.push({ path: short(name), ms: details.duration_ms });
    return `${details.passed ? 'ok    ' : 'FAILED'} ${seconds(details.duration_ms)}  ${short(name)}\n`;
  }

  #fail(data: EventOf<'test:fail'>): string {
    const error = data.details.error as Ended;
    // Its subtests say it themselves; a failure that is expected is none.
    if (error.failureType === 'subtestsFailed' || data.todo !== undefined) return '';
    const title = this.#title(data);
    const isFile = data.file === data.name;
    const lastWords = this.#lastWords.get(data.name) ?? [];
    const message = isFile ? [endOf(error), ...lastWords].join('\n') : messageOf(error.cause);
    this.#failures.push({ title, message });
    return `\nFAILED ${title}\n${isFile ? endOf(error) : inspect(error.cause, { depth: 8 })}\n\n`;
  }

  #title({ file, line, name, nesting }: EventOf<'test:fail'> | EventOf<'test:pass'>): string {
    if (file === undefined || file === name) return short(name);
    return [`${short(file)}:${line}`, ...this.#names.slice(0, nesting), name].join(' > ');
  }

  #failuresAgain(): string[] {
    if (this.#failures.length === 0) return [];
    const shown = this.#failures.slice(0, MOST_FAILURES);
    const each = Math.min(MOST_LINES_EACH, Math.floor(LINES_OF_FAILURES / shown.length) - 1);
    const lines = shown.flatMap(({ title, message }) => [
      `FAILED ${title}`.slice(0, 2 * LONGEST_LINE),
      ...message
        .split('\n')
        .filter((line) => line.trim() !== '')
        .slice(0, each)
        .map((line) => `    ${line.slice(0, LONGEST_LINE)}`),
    ]);
    const more = this.#failures.length - shown.length;
    return ['', ...lines, ...(more > 0 ? [`and ${more} more, see "FAILED" above`] : [])];
  }
}

/** How a file's process ended. */
function endOf({ exitCode, signal }: Ended): string {
  return typeof signal === 'string' ? `ended by ${signal}` : `ended with exit code ${exitCode}`;
}

/** What a test threw, in words. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function said({ message }: EventOf<'test:stderr'>): string[] {
  return message.split('\n').filter((line) => line !== '');
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const all = new Report();
  for await (const event of events) {
    const text = all.hear(event);
    if (text !== '') yield text;
  }
  yield all.end();
}
