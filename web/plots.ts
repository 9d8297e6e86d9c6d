import { html, render } from 'lit-html';
import UPlot from 'uplot';
import { get } from './api.js';
import { rate } from './format.js';

/** What the server answers: see its own description. */
interface Columns {
  readonly stepSeconds: number;
  readonly times: readonly number[];
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
}

/** What can be shown: the server's span, how far it goes back, and how often there is something new. */
const SPANS = [
  { label: '10 minutes', span: 'hour', seconds: 600 },
  { label: '1 hour', span: 'hour', seconds: 3600 },
  { label: '1 day', span: 'day', seconds: 86_400 },
  { label: '14 days', span: 'fortnight', seconds: 1_209_600 },
] as const;

const COLOURS = 6;
const HEIGHT = 220;
/** What tells lines apart for those who do not see their colours; the words are those of the legend's borders. */
const DASHES = [[], [9, 4], [2, 3], [12, 3, 3, 3]] as const;
const BORDERS = ['solid', 'dashed', 'dotted', 'double'] as const;

/** One of the plots. */
interface Plot {
  readonly id: string;
  /** Which series of a WAN it shows. */
  readonly kinds: readonly string[];
  readonly value: (value: number | null) => string;
  /** Which of them goes down from zero, and not up. */
  readonly downward?: string;
}

const PLOTS: readonly Plot[] = [
  { id: 'throughput', kinds: ['in', 'out'], value: rate, downward: 'out' },
  { id: 'begun', kinds: ['new'], value: (value) => (value === null ? '–' : `${value.toFixed(1)}/s`) },
];

/** The plots of what went by the WANs. They ask the server when a step of time is over. */
export class Plots {
  readonly #section = document.querySelector<HTMLElement>('#plots')!;
  readonly #shown = new Map<string, UPlot>();
  #chosen: (typeof SPANS)[number] = SPANS[0];
  #names: readonly string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wans: readonly string[] = [];

  constructor() {
    addEventListener('resize', () => this.#resize());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#forget());
  }

  /** @param wans the WANs in their order, which their colours go by */
  show(wans: readonly string[]): void {
    const isFirst = this.#section.hidden;
    this.#section.hidden = false;
    const isNew = wans.join('\n') !== this.#wans.join('\n');
    this.#wans = wans;
    if (isFirst) this.#choices();
    if (isFirst || isNew) this.#forget();
  }

  #choices(): void {
    const choose = (one: (typeof SPANS)[number]) => {
      this.#chosen = one;
      void this.#refresh();
    };
    const choice = (one: (typeof SPANS)[number]) =>
      html`<label>
        <input type="radio" name="span" ?checked=${one === this.#chosen} @change=${() => choose(one)} />
        ${one.label}
      </label>`;
    render(
      html`<fieldset><legend class="dim">The last</legend>&nbsp;${SPANS.map(choice)}</fieldset>`,
      this.#section.querySelector<HTMLElement>('#span')!,
    );
  }

  /** Draws everything anew, with other WANs or colours. */
  #forget(): void {
    this.#names = [];
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    clearTimeout(this.#timer);
    const { span, seconds } = this.#chosen;
    const after = String(Math.floor(Date.now() / 1000) - seconds);
    // The head of the page says that the server does not answer.
    const columns = await get<Columns>('/api/history', { span, after }).catch(() => undefined);
    if (columns !== undefined) this.#draw(columns);
    const stepSeconds = columns?.stepSeconds ?? 5;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refresh(), 1000 * Math.min(stepSeconds, 60));
  }

  #draw({ times, series }: Columns): void {
    const names = this.#wans.filter((wan) => `${wan} in` in series || `${wan} new` in series);
    if (names.length === 0) return;
    const isSame = names.join('\n') === this.#names.join('\n');
    this.#names = names;
    for (const plot of PLOTS) {
      const lines = names.flatMap((wan) =>
        plot.kinds.map((kind) => signed(series[`${wan} ${kind}`] ?? [], kind === plot.downward)),
      );
      // A line that the server has nothing of is as long as the others.
      const whole = lines.map((line) => times.map((_, i) => line[i] ?? null));
      const data = [[...times], ...whole] as Parameters<UPlot['setData']>[0];
      const shown = this.#shown.get(plot.id);
      if (isSame && shown !== undefined) shown.setData(data);
      else this.#make(plot, names, data);
      this.#settle(plot.id);
      this.#say(plot, names, whole);
    }
  }

  #make({ id, kinds, value }: Plot, names: readonly string[], data: Parameters<UPlot['setData']>[0]): void {
    this.#shown.get(id)?.destroy();
    const place = document.querySelector<HTMLElement>(`#${id}`)!;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour('--text'), grid: { stroke: colour('--line'), width: 1 } };
    const shown = (one: number | null) => value(one === null ? null : Math.abs(one));
    const lines = names.flatMap((wan, i) =>
      kinds.map((kind) => ({
        label: kinds.length === 1 ? wan : `${wan} ${kind}`,
        stroke: colour(`--wan-${i % COLOURS}`),
        width: 2,
        dash: [...DASHES[i % DASHES.length]!],
        value: (_: unknown, one: number | null) => shown(one),
      })),
    );
    const options = {
      width: place.clientWidth,
      height: HEIGHT,
      series: [{ value: (_: unknown, at: number | null) => (at === null ? '–' : time(at)) }, ...lines],
      scales: { y: { range } },
      axes: [
        { ...axis, values: (_: unknown, at: number[]) => at.map((one) => this.#tick(one)) },
        { ...axis, size: 90, values: (_: unknown, at: number[]) => at.map(shown) },
      ],
      legend: { markers: { width: 3, dash: (_: unknown, i: number) => borderOf(i - 1, kinds.length) } },
    };
    this.#shown.set(id, new UPlot(options, data, place));
  }

  /** A time at the axis, as short as the span allows. */
  #tick(at: number): string {
    const date = new Date(1000 * at);
    return this.#chosen.seconds > 86_400
      ? date.toLocaleDateString([], { day: 'numeric', month: 'short' })
      : date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  }

  /** Shows the last values in the legend while nobody points at others. */
  #settle(id: string): void {
    // A plot that was just made is drawn later, and clears its legend then.
    requestAnimationFrame(() => {
      const plot = this.#shown.get(id)!;
      if (typeof plot.cursor.idx !== 'number') plot.setLegend({ idx: plot.data[0].length - 1 });
    });
  }

  /** The last values in words, for those who do not see the lines. */
  #say(
    { id, kinds, value }: Plot,
    names: readonly string[],
    lines: readonly (readonly (number | null)[])[],
  ): void {
    const parts = names.map((wan, i) => {
      const values = kinds.map((kind, k) => {
        const last = lines[i * kinds.length + k]?.findLast((one) => one !== null) ?? null;
        return `${kinds.length === 1 ? '' : `${kind} `}${value(last === null ? null : Math.abs(last))}`;
      });
      return `${wan} ${values.join(', ')}`;
    });
    document.querySelector(`#${id}-said`)!.textContent = parts.join('; ');
  }

  #resize(): void {
    for (const [id, plot] of this.#shown)
      plot.setSize({ width: document.querySelector<HTMLElement>(`#${id}`)!.clientWidth, height: HEIGHT });
  }
}

/** From zero, or from what goes down, to some room above the highest value; something where nothing goes on. */
function range(_: unknown, least: number | null, most: number | null): [number, number] {
  const low = Math.min(0, 1.1 * (least ?? 0));
  const high = Math.max(0, 1.1 * (most ?? 0));
  return low === high ? [0, 1] : [low, high];
}

function signed(values: readonly (number | null)[], isDownward: boolean): (number | null)[] {
  return values.map((value) => (value !== null && isDownward ? -value : value));
}

function borderOf(line: number, kinds: number): string {
  return BORDERS[Math.floor(line / kinds) % BORDERS.length]!;
}

function time(at: number): string {
  return new Date(1000 * at).toLocaleTimeString();
}
