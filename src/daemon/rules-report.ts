import type { Logger } from 'pino';
import { type EventSink, type Happening, NO_EVENTS } from '../core/event.js';

/** Says what is to be known of the rules, in the log and as events: each thing once, until it changes. */
export class RulesReport {
  readonly #logger: Logger;
  readonly #events: EventSink;
  #missing = '';
  #notes: readonly string[] = [];
  #other: string | undefined;
  #failure = '';

  constructor(logger: Logger, events: EventSink = NO_EVENTS) {
    this.#logger = logger;
    this.#events = events;
  }

  /** What holds at the moment of the notes given last and of another configuration. */
  get lines(): readonly string[] {
    return this.#other === undefined ? this.#notes : [...this.#notes, this.#other];
  }

  /** What was given last to {@link RulesReport.notes}. */
  get lastNotes(): readonly string[] {
    return this.#notes;
  }

  /** Takes what a person should know of the rules; a line that begins with `warning: ` is one. */
  notes(notes: readonly string[]): void {
    for (const note of notes.filter((line) => !this.#notes.includes(line))) {
      if (note.startsWith('warning: ')) this.#logger.warn(note.slice('warning: '.length));
      else this.#logger.info(note);
    }
    this.#notes = notes;
  }

  /** Takes a line that says that the rules are of another configuration; undefined where they are not. */
  other(other: string | undefined): void {
    if (other === this.#other) return;
    this.#other = other;
    if (other === undefined) this.#logger.info('the rules are those of this configuration again');
    else this.#logger.warn(other);
  }

  /** Takes the rules that are missing and are not put back. */
  missing(missing: readonly string[]): void {
    const text = missing.join('\n');
    if (text === this.#missing) return;
    this.#missing = text;
    if (text === '') this.#logger.info('no rule is missing any more');
    else {
      this.#logger.warn({ missing }, 'rules are missing; wanmark up puts them back');
      this.happened({
        kind: 'rules',
        error: `${missing.length} rules are missing; wanmark up puts them back`,
      });
    }
  }

  /** Takes why the rules could not be brought up to date; empty where they were. It is one event however often it is tried again. */
  failure(error: string): void {
    // The folder of a try has a name of its own.
    const text = error.replaceAll(/plan\.\d+\.\w+/g, 'plan');
    if (text === this.#failure) return;
    this.#failure = text;
    if (text !== '') this.happened({ kind: 'rules', error });
  }

  /** Keeps an event. */
  happened(happening: Happening): void {
    this.#events.note(happening);
  }
}
