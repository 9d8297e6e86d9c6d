import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Control } from '#wanmark/control/control.js';
import { askDaemon } from '#wanmark/control/daemon-client.js';
import type { Status } from '#wanmark/control/status.js';

/** More than the kernel's buffers of a socket hold. */
const LARGE = 'x'.repeat(1 << 20);
/** Far more than the longest wait for anything here. */
const LIMIT_MS = 60_000;
const GET = 'GET /status HTTP/1.1\r\nHost: wanmark\r\n\r\n';

describe('slow clients of the control socket', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-visitors-'));
  const path = join(dir, 'socket');
  let control: Control;
  let looks = 0;
  let answer: () => Promise<object> = async () => ({ pid: 7 });
  /** The control's ends of all connections, and the guests', which are ended after each test whatever became of it. */
  const served: Socket[] = [];
  const guests: Socket[] = [];
  const note = (message: unknown) => served.push((message as { socket: Socket }).socket);

  before(async () => {
    const look = () => {
      looks++;
      return answer() as Promise<Status>;
    };
    control = await Control.open(path, look, async () => 'done');
    subscribe('net.server.socket', note);
  });
  afterEach(() => {
    for (const socket of guests.splice(0)) socket.destroy();
    served.length = 0;
  });
  after(() => {
    unsubscribe('net.server.socket', note);
    control.close();
    rmSync(dir, { recursive: true });
  });

  async function guest(text = ''): Promise<Socket> {
    const socket = connect(path).on('error', () => undefined);
    guests.push(socket);
    await once(socket, 'connect');
    if (text !== '') socket.write(text);
    return socket;
  }

  /** Waits until a socket is closed, and fails where that does not happen. A write to one that is being closed may fail. */
  const closed = async (socket: Socket) => {
    if (socket.closed) return;
    const ended = once(socket, 'close', { signal: AbortSignal.timeout(LIMIT_MS) });
    await ended.catch((error) => assert.ok(socket.destroyed, error));
  };

  /** The time in ms until the other side has hung up, while a byte of `text` comes now and then behind `head`. */
  async function patienceWith(head: string, text: string): Promise<number> {
    const began = performance.now();
    const socket = await guest(head);
    let at = 0;
    const drip = setInterval(() => socket.write(text[at++ % text.length]!), 50);
    try {
      await closed(socket.resume());
    } finally {
      clearInterval(drip);
    }
    return performance.now() - began;
  }

  const status = async () => (await askDaemon<{ pid: number }>(path, '/status')).answer.pid;

  it('that say nothing, however many, keep nobody out', async () => {
    const idle: Socket[] = [];
    for (let i = 0; i < 150; i++) idle.push(await guest());
    assert.equal(await status(), 7);
    assert.equal((await askDaemon(path, '/set', { wan: 'fibre', weight: 1 })).status, 200);
    assert.ok(served.filter((one) => !one.destroyed).length <= 64, 'those that came first have gone');
    // The ones that are left are sent away by themselves.
    await Promise.all(idle.map((one) => closed(one.resume())));
  });

  it('are all answered when as many as may follow the events come at once', async () => {
    const all: Socket[] = [];
    for (let i = 0; i < 60; i++) all.push(await guest());
    const heads = all.map(async (socket) => {
      socket.write(GET);
      const [head] = await once(socket, 'data', { signal: AbortSignal.timeout(LIMIT_MS) });
      return String(head).slice(0, 12);
    });
    assert.deepEqual(new Set(await Promise.all(heads)), new Set(['HTTP/1.1 200']));
  });

  it('have two seconds for a head and for a body, though a byte comes now and then', async () => {
    const body = 'POST /set HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n';
    const all = await Promise.all([
      patienceWith('', `GET /status HTTP/1.1\r\nX: ${'y'.repeat(4000)}`),
      patienceWith(body, ' '),
    ]);
    // The limit, and not the thirty seconds after which Node looks.
    for (const ms of all) assert.ok(ms > 1500 && ms < 20_000, `${ms} ms`);
  });

  it('that do not read a large answer keep nobody out, and are sent away', async () => {
    answer = async () => ({ pid: 8, LARGE });
    for (let i = 0; i < 20; i++) (await guest(GET)).pause();
    answer = async () => ({ pid: 8 });
    assert.equal(await status(), 8);
    // Nobody reads, so only the control itself can have closed them.
    await Promise.all(served.map(closed));
  });

  it('that ask a thousand times at once are answered once', async () => {
    answer = async () => ({ pid: 7 });
    looks = 0;
    const socket = await guest(GET.repeat(1000));
    let said = '';
    socket.on('data', (text) => {
      said += text;
    });
    await closed(socket);
    assert.equal(looks, 1);
    assert.equal(said.match(/ 200 OK/g)?.length, 1);
  });
});
