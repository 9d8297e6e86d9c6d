import { html, render } from 'lit-html';
import { explanationText, type WholeExplanation } from '../src/cli/explain-text.js';
import { ApiError, get } from './api.js';

/** A form that asks why a connection goes where it goes, and the answer in the words of `wanmark explain`. */
export class Explain {
  readonly #place: HTMLElement;
  #said = '';
  #wrong = '';

  constructor(where: HTMLElement) {
    this.#place = where;
    this.#draw();
  }

  async #ask(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const query = Object.fromEntries([...form].map(([name, value]) => [name, String(value).trim()]));
    this.#said = '';
    this.#wrong = '';
    try {
      this.#said = explanationText(await get<WholeExplanation>('/api/explain', query));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#wrong = error.message;
    }
    this.#draw();
  }

  #draw(): void {
    render(
      html`<section aria-labelledby="explain">
        <h2 id="explain" class="title">Where would it go, and why?</h2>
        <form class="row" @submit=${(event: SubmitEvent) => this.#ask(event)}>
          <label>From <input name="src" required placeholder="192.168.1.50" /></label>
          <label>To <input name="dst" required placeholder="203.0.113.9:443" /></label>
          <label>
            Protocol
            <select name="proto"><option>tcp</option><option>udp</option><option>icmp</option><option>icmpv6</option></select>
          </label>
          <button>Explain</button>
        </form>
        <div role="status">
          <p class="wrong">${this.#wrong}</p>
          <pre ?hidden=${this.#said === ''} tabindex="0" aria-label="Explanation">${this.#said}</pre>
        </div>
      </section>`,
      this.#place,
    );
  }
}
