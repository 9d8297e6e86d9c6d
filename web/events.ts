import { html } from 'lit-html';
import { eventText } from '../src/cli/event-text.js';
import type { Event } from '../src/core/event.js';
import { moment } from './format.js';

/** The last events, the newest first. */
export function events(all: readonly Event[]) {
  const rows = all
    .toReversed()
    .map((event) => html`<li><time datetime=${event.at}>${moment(event.at)}</time> ${eventText(event)}</li>`);
  return html`<section aria-labelledby="events">
    <h2 id="events" class="title">Last events</h2>
    <ol class="scroll events" tabindex="0" aria-labelledby="events">${rows}</ol>
  </section>`;
}
