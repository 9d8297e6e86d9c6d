import type { SetAnswer } from '../../control/answers.js';
import type { ConnectionsV1 } from '../../control/connections.js';
import { askDaemon } from '../../control/daemon-client.js';
import type { StatusV1 } from '../../control/status.js';
import { type Event, withLater } from '../../core/event.js';
import { SystemError } from '../../errors.js';
import { type Key, keysOf } from './keys.js';
import { shownOf, type TopModel } from './model.js';
import { render } from './render.js';
import { Series } from './series.js';
import { Terminal } from './terminal.js';

const EVERY_MS = 1000;
/** The rules follow a change, and may wait for a lock. */
const SET_MS = 60_000;
const CONNECTIONS_MS = 30_000;
/** More than any terminal has lines. */
const MOST_EVENTS = 200;

interface Question {
  readonly text: string;
  readonly change: object;
}

/** `wanmark top`: asks the daemon each second and draws what it says. It goes on when the daemon does not answer. */
export class Top {
  readonly #socket: string;
  readonly #terminal: Terminal;
  readonly #series = new Map<string, Series>();
  #status: StatusV1 | undefined;
  #failure: string | undefined;
  #events: readonly Event[] = [];
  #chosen = 0;
  #connections: TopModel['connections'];
  #question: Question | undefined;
  #said: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #end: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(socket: string) {
    this.#socket = socket;
    this.#terminal = new Terminal({
      input: process.stdin,
      output: process.stdout,
      onKeys: (text) => {
        for (const key of keysOf(text)) this.#press(key);
        this.#draw();
      },
      onResize: () => this.#draw(),
    });
  }

  /**
   * Resolves when the user wants to leave.
   * @throws SystemError where this user may not ask
   */
  async run(): Promise<void> {
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    const leave = () => this.#end();
    const back = () => this.#resume();
    process.on('SIGTERM', leave).on('SIGHUP', leave).on('SIGINT', leave).on('SIGCONT', back);
    try {
      await this.#ask();
      this.#terminal.enter();
      this.#draw();
      this.#next();
      await ended;
    } finally {
      clearTimeout(this.#timer);
      this.#terminal.leave();
      process.off('SIGTERM', leave).off('SIGHUP', leave).off('SIGINT', leave).off('SIGCONT', back);
    }
  }

  #next(): void {
    this.#timer = setTimeout(() => {
      this.#ask()
        .then(() => {
          this.#draw();
          this.#next();
        })
        .catch(this.#fail);
    }, EVERY_MS);
  }

  async #ask(): Promise<void> {
    try {
      const { status, answer } = await askDaemon<StatusV1>(this.#socket, '/v1/status?history=yes');
      if (status !== 200 || answer.api !== 1)
        throw new SystemError('OLD_DAEMON', 'the daemon is of another version');
      this.#take(answer);
      await this.#askEvents();
      if (this.#connections !== undefined) await this.#askConnections(this.#connections.wan);
      this.#failure = undefined;
    } catch (error) {
      if (!(error instanceof SystemError) || error.code === 'NO_PRIVILEGE') throw error;
      // Without a first answer there is nothing to show, and a wrong path would never be noticed.
      if (this.#status === undefined) throw error;
      this.#failure = error.message;
    }
  }

  #take(status: StatusV1): void {
    this.#status = status;
    const at = Date.parse(status.at);
    for (const [wan, history] of Object.entries(status.history ?? {})) {
      const series = this.#series.get(wan) ?? new Series();
      this.#series.set(wan, series);
      series.add(history, at);
    }
    this.#chosen = Math.max(0, Math.min(this.#chosen, shownOf(status).length - 1));
  }

  async #askEvents(): Promise<void> {
    const last = this.#events.at(-1)?.number ?? 0;
    const path = `/v1/events?follow=no&after=${last}`;
    const { status, answer } = await askDaemon<{ events: readonly Event[] }>(this.#socket, path);
    if (status === 200) this.#events = withLater(this.#events, answer.events, MOST_EVENTS);
  }

  async #askConnections(wan: string): Promise<void> {
    const path = `/v1/connections?limit=200&wan=${encodeURIComponent(wan)}`;
    const { status, answer } = await askDaemon<ConnectionsV1>(this.#socket, path, undefined, CONNECTIONS_MS);
    // The user may have gone back meanwhile.
    if (status === 200 && this.#connections?.wan === wan)
      this.#connections = { ...this.#connections, list: answer };
  }

  #press(key: Key): void {
    this.#said = undefined;
    if (key === 'quit') this.#end();
    else if (key === 'stop') this.#stop();
    else if (this.#question !== undefined) this.#answer(key);
    else if (this.#connections !== undefined) this.#pressInList(key);
    else this.#pressOnWan(key);
  }

  #pressOnWan(key: Key): void {
    const shown = this.#status === undefined ? [] : shownOf(this.#status);
    const { name, isWan } = shown[this.#chosen] ?? {};
    if (key === 'up') this.#chosen = Math.max(0, this.#chosen - 1);
    else if (key === 'down') this.#chosen = Math.max(0, Math.min(shown.length - 1, this.#chosen + 1));
    else if (name === undefined) return;
    else if (key === 'drain')
      this.#question = { text: `drain ${name}: no new connections?`, change: { wan: name, weight: 0 } };
    else if (key === 'set-down')
      this.#question = {
        text: `set ${name} down: cut its connections?`,
        change: { wan: name, state: 'down' },
      };
    else if (key === 'again') void this.#set({ wan: name, weight: 'auto', state: 'auto' });
    else if (key === 'list' && !isWan) this.#said = 'connections are listed by WAN, and this is a backend';
    else if (key === 'list') {
      this.#connections = { wan: name, list: undefined, from: 0 };
      this.#askConnections(name)
        .catch(() => undefined)
        .finally(() => this.#draw());
    }
  }

  #pressInList(key: Key): void {
    const { from } = this.#connections!;
    if (key === 'back') this.#connections = undefined;
    else if (key === 'up') this.#connections = { ...this.#connections!, from: Math.max(0, from - 2) };
    else if (key === 'down') {
      const most = 2 * (this.#connections?.list?.connections.length ?? 0);
      this.#connections = { ...this.#connections!, from: Math.min(most, from + 2) };
    }
  }

  #answer(key: Key): void {
    const { change } = this.#question!;
    this.#question = undefined;
    if (key === 'yes') void this.#set(change);
  }

  /** Never rejects. */
  async #set(change: object): Promise<void> {
    this.#said = 'the daemon and the rules follow ...';
    try {
      const { answer } = await askDaemon<SetAnswer>(this.#socket, '/set', change, SET_MS);
      this.#said = answer.said ?? answer.error;
    } catch (error) {
      this.#said = (error as Error).message;
    }
    this.#draw();
  }

  /** Ctrl-Z: the shell gets its terminal back until `fg`. */
  #stop(): void {
    this.#terminal.leave();
    process.kill(process.pid, 'SIGSTOP');
  }

  #resume(): void {
    this.#terminal.enter();
    this.#draw();
  }

  #draw(): void {
    const now = Date.now();
    const model: TopModel = {
      status: this.#status,
      failure: this.#failure,
      rates: new Map([...this.#series].map(([wan, series]) => [wan, series.values(now)])),
      events: this.#events,
      chosen: this.#chosen,
      connections: this.#connections,
      question: this.#question?.text,
      said: this.#said,
      now,
    };
    this.#terminal.draw(render(model, this.#terminal.canvas));
  }
}
