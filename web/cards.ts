import { html, nothing } from 'lit-html';
import { whyOf } from '../src/control/evidence.js';
import type { CheckStatus, MonthStatus, Status, WanStatus } from '../src/control/status.js';
import { confirmSet } from './dialogs.js';
import { ago, moment, percent, rate, size } from './format.js';

/** A sign for each state, for those who do not see its colour. */
const SIGNS = { up: '●', suspected: '?', drain: '◌', down: '✕' } as const;

/** A card for each WAN. @param allowSet whether it has buttons */
export function cards({ wans }: Status, allowSet: boolean) {
  return html`<section aria-labelledby="wans">
    <h2 id="wans" class="title">WANs</h2>
    <div class="cards">${wans.map((wan) => card(wan, allowSet))}</div>
  </section>`;
}

function card(wan: WanStatus, allowSet: boolean) {
  const { name, dev, state, since, traffic, connections, weight, share } = wan;
  return html`<article class="card" data-wan=${name} data-state=${state}>
    <div class="title">
      <h3>${name}</h3>
      <span class="state" data-state=${state}>${SIGNS[state]} ${state}${role(wan)}</span>
    </div>
    <p title=${`since ${moment(since)}`}>for ${ago(since)}: ${whyOf(wan)}</p>
    <dl>
      ${differing(wan)}
      ${checks(wan.checks)}
      <dt>In</dt>
      <dd>${rate(traffic?.inBitsPerSecond)}</dd>
      <dt>Out</dt>
      <dd>${rate(traffic?.outBitsPerSecond)}</dd>
      <dt>Came in</dt>
      <dd>${size(traffic?.inBytes)}</dd>
      <dt>Went out</dt>
      <dd>${size(traffic?.outBytes)}</dd>
      ${month(traffic?.month)}
      <dt>Connections</dt>
      <dd>${connections ?? '–'}</dd>
      <dt>Share of decisions</dt>
      <dd>${percent(share)}</dd>
      <dt>Weight</dt>
      <dd>${weight}${wan.configuredWeight === undefined ? nothing : ` (set; ${wan.configuredWeight})`}</dd>
      ${dev === '' ? nothing : html`<dt>Device</dt><dd>${dev}</dd>`}
    </dl>
    ${allowSet ? actions(wan) : nothing}
  </article>`;
}

/** The bytes of this calendar month, since when it was counted in it. */
function month(bytes: MonthStatus | null | undefined) {
  if (!bytes) return nothing;
  const title = `since ${moment(bytes.since)}`;
  return html`<dt title=${title}>In this month</dt>
    <dd>${size(bytes.inBytes)}</dd>
    <dt title=${title}>Out this month</dt>
    <dd>${size(bytes.outBytes)}</dd>`;
}

/** Whether it takes new connections now, or waits for others to fail. */
function role({ state, target }: WanStatus): string {
  if (state !== 'up') return '';
  return target > 0 ? ', active' : ', backup';
}

/** The states of the families, where these are not the same. */
function differing({ families }: WanStatus) {
  if (families.every(({ state }) => state === families[0]!.state)) return nothing;
  return families.map(
    ({ family, state, reason }) => html`<dt>IPv${family}</dt><dd>${SIGNS[state]} ${state}: ${reason}</dd>`,
  );
}

/** The best round trip of the last rounds, and the worst loss: two numbers for all checks. */
function checks(all: readonly CheckStatus[]) {
  if (all.length === 0) return nothing;
  const rtts = all.flatMap(({ rttMs }) => rttMs ?? []);
  const loss = Math.max(...all.map((one) => one.loss));
  const details = all.map((one) => `${one.kind} ${one.targets.join(', ')} (IPv${one.family})`).join('; ');
  return html`<dt title=${details}>Round trip</dt>
    <dd>${rtts.length === 0 ? '–' : `${Math.min(...rtts)} ms`}</dd>
    <dt title=${details}>Loss in a minute</dt>
    <dd>${percent(loss)}</dd>`;
}

function actions({ name, weight, configuredWeight, setState }: WanStatus) {
  const button = (label: string, change: object, what: string) =>
    html`<button @click=${() => confirmSet({ wan: name, ...change }, what)}>
      ${label}<span hidden> ${name}</span>
    </button>`;
  return html`<div class="actions">
    ${
      weight === 0 && configuredWeight !== undefined
        ? button(
            'Use again',
            { weight: 'auto' },
            `${name} gets new connections again, by its configured weight.`,
          )
        : button('Drain', { weight: 0 }, `${name} keeps the connections that it has, and gets no new ones.`)
    }
    ${
      setState === 'down'
        ? button('Take back', { state: 'auto' }, `${name} goes by its checks and its device again.`)
        : button(
            'Set down',
            { state: 'down' },
            `${name} is taken for dead: it gets no new connections, and those that it has may be cut.`,
          )
    }
  </div>`;
}
