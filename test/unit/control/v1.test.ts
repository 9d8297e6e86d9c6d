import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Control } from '#wanmark/control/control.js';
import { askDaemon } from '#wanmark/control/daemon-client.js';
import type { Status, StatusV1 } from '#wanmark/control/status.js';
import type { Event } from '#wanmark/core/event.js';
import type { ConnectionQuery } from '#wanmark/core/listed-connection.js';
import { SystemError, UsageError } from '#wanmark/errors.js';

/** Far more than the longest wait for anything here. */
const LIMIT_MS = 60_000;

describe('the paths below /v1/', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-v1-'));
  const path = join(dir, 'socket');
  const events: Event[] = [];
  const listeners = new Set<(event: Event) => void>();
  const looks: [boolean, boolean][] = [];
  const queries: ConnectionQuery[] = [];
  const sockets: Socket[] = [];
  let control: Control;

  before(async () => {
    control = await Control.open(
      path,
      async () => ({ pid: 7 }) as Status,
      async () => 'done',
      assert.ifError,
      {
        status: async (counted, history) => {
          looks.push([counted, history]);
          return { api: 1, pid: 7 } as StatusV1;
        },
        connections: async (query) => {
          queries.push(query);
          if (query.wan === 'none') throw new UsageError('there is no WAN "none"');
          if (query.wan === 'busy') throw new SystemError('BUSY', 'too many');
          if (query.wan === 'bug') throw new Error('a bug');
          return { api: 1, found: 0, connections: [] };
        },
        explain: async (query) => `${JSON.stringify(query)}\n`,
        events: {
          after: (number) => events.filter((event) => event.number > number),
          listen: (listener) => {
            listeners.add(listener);
            return () => listeners.delete(listener);
          },
        },
      },
    );
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  after(() => {
    control.close();
    rmSync(dir, { recursive: true });
  });

  const ask = async (path_: string) => {
    const { status, answer } = await askDaemon<Record<string, unknown>>(path, path_);
    return [status, answer] as const;
  };

  /** Makes something happen. */
  function happen(error = 'x'): void {
    const event = { number: events.length + 1, at: '2026-11-30T12:00:00Z', kind: 'rules', error } as const;
    events.push(event);
    for (const listener of listeners) listener(event);
  }

  /** A reader of the stream, with what it has read so far. */
  async function reader(query = '', head = ''): Promise<{ socket: Socket; text: () => string }> {
    const socket = connect(path).on('error', () => undefined);
    sockets.push(socket);
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    await once(socket, 'connect');
    socket.write(`GET /v1/events${query} HTTP/1.1\r\nHost: x\r\n${head}\r\n`);
    await until(() => text.includes('wanmark events') || / [45]\d\d /.test(text));
    return { socket, text: () => text };
  }

  async function until(done: () => boolean): Promise<void> {
    const end = performance.now() + LIMIT_MS;
    while (!done()) {
      assert.ok(performance.now() < end, 'it has not happened');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  it('give the status, with connections and a history where these are wanted', async () => {
    looks.length = 0;
    assert.deepEqual(await ask('/v1/status'), [200, { api: 1, pid: 7 }]);
    await ask('/v1/status?connections=no&history=yes');
    assert.deepEqual(looks, [
      [true, false],
      [false, true],
    ]);
  });

  it('give one status to all who ask at the same time', async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    looks.length = 0;
    await Promise.all(Array.from({ length: 10 }, () => ask('/v1/status')));
    assert.ok(looks.length <= 2, `${looks.length} looks`);
  });

  it('give connections by WAN, client and policy, bounded', async () => {
    queries.length = 0;
    assert.deepEqual(await ask('/v1/connections'), [200, { api: 1, found: 0, connections: [] }]);
    await ask('/v1/connections?wan=fibre&client=10.0.0.0/8&policy=voip&limit=7');
    assert.deepEqual(queries, [
      { limit: 100 },
      { wan: 'fibre', client: '10.0.0.0/8', policy: 'voip', limit: 7 },
    ]);
  });

  for (const [url, code, error] of [
    ['/v1/explain?src=192.0.2.1', 400, /^dst is missing/],
    ['/v1/explain?src=--config=/etc/passwd&dst=192.0.2.1', 400, /^src "--config=.*" is not an address/],
    ['/v1/explain?src=192.0.2.1&dst=203.0.113.1&json=1', 400, /unknown parameter "json"/],
    [`/v1/explain?src=${'x'.repeat(81)}&dst=203.0.113.1`, 400, /^src must have 80 characters/],
    ['/v1/', 404, /there are \/v1\/status/],
    ['/v1/status?connections=maybe', 400, /connections must be yes or no/],
    ['/v1/status?conections=no', 400, /unknown parameter "conections"; there are connections, history/],
    ['/v1/connections?limit=0', 400, /limit must be 1 to 1000/],
    ['/v1/connections?limit=1001', 400, /limit must be 1 to 1000/],
    ['/v1/connections?wan=none', 400, /there is no WAN "none"/],
    ['/v1/connections?wan=busy', 503, /too many/],
    ['/v1/connections?wan=bug', 500, /a bug/],
    ['/v1/events?after=x', 400, /after must be the number of an event/],
  ] as const) {
    it(`refuse ${url} with ${code} and a line`, async () => {
      const [status, answer] = await ask(url);
      assert.equal(status, code);
      assert.match(String(answer.error), error);
    });
  }

  it('refuse to be posted to', async () => {
    assert.equal((await askDaemon(path, '/v1/status', {})).status, 405);
  });

  it('give past events as a list', async () => {
    happen('first');
    happen('second');
    const [, all] = await ask('/v1/events?follow=no');
    const list = (all.events as Event[]).map(({ number }) => number);
    assert.deepEqual(
      list,
      events.slice(-200).map(({ number }) => number),
    );
    const [, rest] = await ask(`/v1/events?follow=no&after=${events.length - 1}`);
    assert.deepEqual(
      (rest.events as Event[]).map((event) => (event as { error?: string }).error),
      ['second'],
    );
  });

  it('give all events to whoever knows one that is not there: this journal is not the one it read', async () => {
    const [, all] = await ask(`/v1/events?follow=no&after=${events.length + 1}`);
    assert.equal((all.events as Event[]).length, events.length);
    const [, none] = await ask(`/v1/events?follow=no&after=${events.length}`);
    assert.deepEqual(none.events, []);
    const other = await reader(`?after=${events.length + 7}`);
    await until(() => other.text().includes(`id: ${events.length}\n`));
  });

  it('stream what happens, from an event on where one is given', async () => {
    const before = events.length;
    const fresh = await reader();
    const behind = await reader(`?after=${before - 1}`);
    const again = await reader('', `Last-Event-ID: ${before - 1}\r\n`);
    happen('third');
    for (const one of [fresh, behind, again]) await until(() => one.text().includes('"third"'));
    assert.match(fresh.text(), /content-type: text\/event-stream/i);
    assert.match(
      fresh.text(),
      new RegExp(`id: ${before + 1}\ndata: {"number":${before + 1},.*"error":"third"}\n\n`),
    );
    assert.doesNotMatch(fresh.text(), /"second"/);
    for (const one of [behind, again]) assert.match(one.text(), /"second"[\s\S]*"third"/);
  });

  it('stop listening when the last reader has left', async () => {
    const one = await reader();
    assert.equal(listeners.size, 1);
    one.socket.destroy();
    await until(() => listeners.size === 0);
  });

  it('bound the readers, and still answer others', async () => {
    for (let i = 0; i < 64; i++) await reader();
    const refused = await reader();
    assert.match(refused.text(), / 503 /);
    assert.deepEqual((await ask('/v1/status'))[0], 200);
    assert.equal((await askDaemon(path, '/status')).status, 200);
  });

  it('drop what a slow reader does not take, tell it how much, and serve the others', async () => {
    const slow = await reader();
    const quick = await reader();
    slow.socket.pause();
    const text = 'y'.repeat(2000);
    const first = events.length;
    // More than the buffers of a socket and ours hold.
    for (let i = 0; i < 1000; i++) {
      happen(text);
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    happen('last');
    await until(() => quick.text().includes('"last"'));
    assert.equal(quick.text().includes('event: dropped'), false);
    slow.socket.resume();
    await until(() => slow.text().split('\n\n').length > 3);
    happen('again');
    await until(() => slow.text().includes('"again"'));
    const dropped = [...slow.text().matchAll(/event: dropped\ndata: {"events":(\d+)}/g)];
    const lost = dropped.reduce((sum, [, count]) => sum + Number(count), 0);
    const got = [...slow.text().matchAll(/^id: /gm)].length;
    assert.ok(lost > 0);
    assert.equal(got + lost, events.length - first);
  });

  it('spread the work of an event over turns, whatever the number of readers', async () => {
    const readers: Awaited<ReturnType<typeof reader>>[] = [];
    for (let i = 0; i < 50; i++) readers.push(await reader());
    happen('busy');
    let turns = 0;
    while (!readers.every((one) => one.text().includes('"busy"'))) {
      turns++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(turns > 5, 'others have their turn in between');
  });
});
