import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { PACKAGES, WITHIN } from './beside.js';
import { eventually } from './router-state.js';

const PROGRAM = '/usr/lib/chromium/chromium-headless-shell';
/** Of these only the pipe matters to a test; the others keep the browser from its own affairs, and from what needs a desktop. */
const FLAGS = [
  '--remote-debugging-pipe',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--hide-scrollbars',
  '--user-data-dir=/run/chromium',
];

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/**
 * A real Chromium on a host of a lab, with one page, told what to do by the DevTools protocol: messages of JSON that end with a
 * zero byte, on the descriptors 3 and 4.
 */
export class Chromium {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (message: Message) => void>();
  /** What the page complained about: its exceptions, errors on its console, and what its policy kept it from. */
  readonly complaints: string[] = [];
  #session: string | undefined;
  #next = 1;

  /** @param packaged makes the argv that runs another where the packages of packages.sh are installed */
  static async start(packaged: (argv: readonly string[]) => string[]): Promise<Chromium> {
    const browser = new Chromium(packaged([PROGRAM, ...FLAGS, 'about:blank']));
    const { targetInfos } = await browser.send('Target.getTargets');
    const [page] = (targetInfos as { type: string; targetId: string }[]).filter(
      ({ type }) => type === 'page',
    );
    const { sessionId } = await browser.send('Target.attachToTarget', {
      targetId: page!.targetId,
      flatten: true,
    });
    browser.#session = sessionId as string;
    for (const domain of ['Page', 'Runtime', 'Log']) await browser.send(`${domain}.enable`);
    return browser;
  }

  /** One in this process's own network, with files of its own. Needs root. */
  static here(): Promise<Chromium> {
    const own = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs chromium /run && exec "$@"', 'sh'];
    return Chromium.start((argv) => [...own, WITHIN, PACKAGES, '/run/packages', ...argv]);
  }

  private constructor(argv: readonly string[]) {
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
    let said = '';
    this.#child.stderr!.on('data', (more) => {
      said = `${said}${more}`.slice(-2000);
    });
    this.#child.on('exit', () => {
      for (const tell of this.#waiting.values()) tell({ error: { message: `Chromium has ended: ${said}` } });
    });
    let text = '';
    (this.#child.stdio[4] as Readable).setEncoding('utf8').on('data', (more: string) => {
      const [...whole] = `${text}${more}`.split('\0');
      text = whole.pop()!;
      for (const one of whole) this.#hear(JSON.parse(one) as Message);
    });
    (this.#child.stdio[3] as Writable).on('error', () => undefined);
  }

  /** Sends a command and waits for its answer. @throws Error */
  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#next++;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result!) : reject(new Error(`${method}: ${error.message}`)),
      );
      (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    });
  }

  async open(url: string): Promise<void> {
    await this.send('Page.navigate', { url });
    await this.until('document.readyState === "complete"', `${url} is there`);
  }

  /** The value of an expression in the page; a promise is waited for. @throws Error where it throws */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as { result: { value: Value }; exceptionDetails?: { exception?: { description?: string } } };
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? expression);
    return result.value;
  }

  /** Waits until an expression is true in the page. */
  async until(expression: string, what: string, ms?: number): Promise<void> {
    await eventually(() => this.evaluate<boolean>(`Boolean(${expression})`), Boolean, what, ms);
  }

  /** Gives the page a size, as of a screen, and a scheme of colours. */
  async show(width: number, height: number, scheme: 'light' | 'dark' = 'light'): Promise<void> {
    const screen = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.send('Emulation.setDeviceMetricsOverride', screen);
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.send('Emulation.setEmulatedMedia', { features });
  }

  /** Presses a key, such as Tab, with its text where it has one. */
  async press(key: string, text?: string): Promise<void> {
    const code = { Tab: 9, Enter: 13 }[key] ?? 0;
    const common = { key, windowsVirtualKeyCode: code, ...(text === undefined ? {} : { text }) };
    await this.send('Input.dispatchKeyEvent', {
      type: text === undefined ? 'rawKeyDown' : 'keyDown',
      ...common,
    });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
  }

  /** Takes a picture of the whole page. @param file where the PNG goes */
  async picture(file: string, clip?: object): Promise<void> {
    const { data } = await this.send('Page.captureScreenshot', {
      captureBeyondViewport: true,
      ...(clip && { clip }),
    });
    writeFileSync(file, Buffer.from(data as string, 'base64'));
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#session = undefined;
    await this.send('Browser.close').catch(() => undefined);
    await ended;
  }

  #hear({ id, method, params, ...answer }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    }
    if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params));
    const entry = params?.entry as { level?: string; text?: string; url?: string } | undefined;
    if (method === 'Log.entryAdded' && entry?.level === 'error')
      this.complaints.push(`${entry.text} ${entry.url ?? ''}`);
  }
}
