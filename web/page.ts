import { html, nothing, render } from 'lit-html';
import { duration } from '../src/cli/duration.js';
import type { StatusV1 } from '../src/control/status.js';
import type { Event } from '../src/core/event.js';
import { ApiError, get, post } from './api.js';
import { cards } from './cards.js';
import { Connections } from './connections.js';
import { events } from './events.js';
import { Explain } from './explain.js';
import { login } from './login.js';
import { Plots } from './plots.js';
import type { Session, State, Told } from './state.js';

const HEAD = document.querySelector<HTMLElement>('#head')!;
const TOP = document.querySelector<HTMLElement>('#top')!;
const EVENTS = document.querySelector<HTMLElement>('#happened')!;

/** The session, after a login where one is needed. */
async function begin(): Promise<Session> {
  for (;;) {
    try {
      return await get<Session>('/api/session');
    } catch (error) {
      if (error instanceof ApiError && error.code === 401) await login(TOP);
      else await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function head({ session, told, isLive }: State) {
  const status = told?.status;
  const leave = async () => {
    await post('/api/logout', {});
    location.reload();
  };
  return html`<h1>wanmark</h1>
    <span class="dim">
      ${
        status
          ? `${status.strategy} over ${status.wans.length} WANs, up ${duration(status.uptimeSeconds)}, version ${status.version}`
          : nothing
      }
    </span>
    <span role="status" class=${isLive ? 'dim' : 'wrong'}>
      ${isLive ? 'live' : 'this page is not told anything at the moment'}
    </span>
    ${session.canLogout ? html`<button @click=${leave}>Log out</button>` : nothing}`;
}

function top({ session, told }: State) {
  if (told === undefined) return nothing;
  if (told.status === null)
    return html`<p class="away" role="alert">
      ${told.error}. The kernel balances by the rules meanwhile, if they are up.
    </p>`;
  return html`${notes(told.status)} ${cards(told.status, session.allowSet)}`;
}

function notes({ notes: all, rules }: StatusV1) {
  const lines = [...rulesNotes(rules), ...all];
  return lines.length === 0
    ? nothing
    : html`<ul class="notes">${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}

function rulesNotes(rules: StatusV1['rules']): string[] {
  if (rules === null) return [];
  if (!rules.up) return ["the rules are not up; run 'wanmark up'"];
  return rules.failure === null ? [] : [`the rules: ${rules.failure}`];
}

/** Shows what the server tells until this page is closed. The browser itself asks again when a stream ends. */
function follow(session: Session): void {
  let state: State = { session, told: undefined, events: [], isLive: false };
  const plots = new Plots();
  const connections = new Connections(document.querySelector<HTMLElement>('#live')!);
  new Explain(document.querySelector<HTMLElement>('#asked')!);
  const show = (change: Partial<State>) => {
    state = { ...state, ...change };
    render(head(state), HEAD);
    render(top(state), TOP);
    render(events(state.events), EVENTS);
    const status = state.told?.status;
    if (!status || status.wans.length === 0) return;
    plots.show(status.wans.map(({ name }) => name));
    connections.show(status);
  };
  const stream = new EventSource('/api/stream');
  stream.addEventListener('status', ({ data }) => show({ told: JSON.parse(data) as Told, isLive: true }));
  stream.addEventListener('events', ({ data }) => show({ events: JSON.parse(data) as Event[] }));
  stream.addEventListener('error', () => {
    show({ isLive: false });
    // It gives up where the answer is no stream, as when a session is over.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
}

HEAD.replaceChildren();
follow(await begin());
