import { html, nothing, render } from 'lit-html';
import type { ConnectionsV1, ConnectionV1 } from '../src/control/connections.js';
import type { Status } from '../src/control/status.js';
import { ApiError, get } from './api.js';
import { ago, place, size } from './format.js';

/** Live connections by WAN, client and policy. They are read when somebody asks, and not all the time. */
export class Connections {
  readonly #place: HTMLElement;
  #names: { readonly wans: readonly string[]; readonly policies: readonly string[] } = {
    wans: [],
    policies: [],
  };
  #answer: ConnectionsV1 | undefined;
  #wrong = '';

  constructor(where: HTMLElement) {
    this.#place = where;
  }

  show({ wans, policies }: Status): void {
    const namesOf = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name);
    const names = {
      wans: namesOf(wans),
      policies: policies.length > 0 ? ['default', ...namesOf(policies)] : [],
    };
    // Drawing it each second would take the choice out of somebody's hand.
    if (JSON.stringify(names) === JSON.stringify(this.#names)) return;
    this.#names = names;
    this.#draw();
  }

  async #ask(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const query = Object.fromEntries([...form].map(([name, value]) => [name, String(value).trim()]));
    try {
      this.#answer = await get<ConnectionsV1>('/api/connections', query);
      this.#wrong = '';
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#answer = undefined;
      this.#wrong = error.message;
    }
    this.#draw();
  }

  #draw(): void {
    const { wans, policies } = this.#names;
    const choice = (name: string, label: string, values: readonly string[]) =>
      values.length === 0
        ? nothing
        : html`<label>
            ${label}
            <select name=${name}>
              <option value="">all</option>
              ${values.map((value) => html`<option>${value}</option>`)}
            </select>
          </label>`;
    render(
      html`<section aria-labelledby="connections">
        <h2 id="connections" class="title">Connections</h2>
        <form class="row" @submit=${(event: SubmitEvent) => this.#ask(event)}>
          ${choice('wan', 'WAN', wans)} ${choice('policy', 'Policy', policies)}
          <label>Client or network <input name="client" placeholder="192.168.1.0/24" /></label>
          <button>List</button>
        </form>
        <div role="status">
          <p class="wrong">${this.#wrong}</p>
          ${this.#answer === undefined ? nothing : list(this.#answer)}
        </div>
      </section>`,
      this.#place,
    );
  }
}

function list({ found, connections }: ConnectionsV1) {
  const more = found > connections.length ? `, of which these are ${connections.length}` : '';
  return html`<p>${found} connections${more}</p>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="connections">
      <table>
        <thead>
          <tr>
            <th>From</th><th>To</th><th>Protocol</th><th>WAN</th><th>Policy</th><th>State</th>
            <th class="number">Age</th><th class="number">Out</th><th class="number">Back</th>
          </tr>
        </thead>
        <tbody>${connections.map(row)}</tbody>
      </table>
    </div>`;
}

function row({ src, sport, dst, dport, proto, wan, policy, state, since, bytes }: ConnectionV1) {
  return html`<tr>
    <td>${place(src, sport)}</td>
    <td>${place(dst, dport)}</td>
    <td>${proto}</td>
    <td>${wan}</td>
    <td>${policy ?? '–'}</td>
    <td>${state}</td>
    <td class="number">${since === null ? '–' : ago(since)}</td>
    <td class="number">${size(bytes?.out)}</td>
    <td class="number">${size(bytes?.back)}</td>
  </tr>`;
}
