import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Change, UnknownWan } from '#wanmark/config/change.js';
import { Control } from '#wanmark/control/control.js';
import type { Status } from '#wanmark/control/status.js';
import { UsageError } from '#wanmark/errors.js';

describe('the control socket', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-control-'));
  const path = join(dir, 'socket');
  const asked: Change[] = [];
  let control: Control;
  let mayReload = true;

  before(async () => {
    control = await Control.open(
      path,
      async (counted) => ({ pid: counted ? 7 : 8 }) as Status,
      async (change) => {
        if (change.wan !== 'fibre') throw new UnknownWan(change.wan, ['fibre']);
        if (change.weight === 99) throw new Error('a bug');
        asked.push(change);
        return 'fibre: done';
      },
      undefined,
      undefined,
      {
        isAllowed: () => mayReload,
        reload: async (dry) => {
          if (!dry) throw new UsageError('wan.yaml is wrong');
          return { lines: ['~ fibre weight 5 -> 3'], doubts: [] };
        },
      },
    );
  });
  after(() => {
    control.close();
    rmSync(dir, { recursive: true });
  });

  /** What comes back until the other side closes, or we do after `head` and `ending`. */
  function talk(text: string | Buffer, ending: 'wait' | 'half' | 'cut' = 'wait'): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({ path, allowHalfOpen: true });
      let said = '';
      socket.on('data', (data) => {
        said += data;
      });
      socket.on('error', () => undefined);
      socket.on('end', () => socket.end());
      socket.on('close', () => resolve(said));
      socket.write(text, () => {
        if (ending === 'half') socket.end();
        if (ending === 'cut') socket.destroy();
      });
    });
  }

  const post = (body: string, length = Buffer.byteLength(body), to = '/set') =>
    `POST ${to} HTTP/1.1\r\nHost: wanmark\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`;

  async function answerTo(
    text: string | Buffer,
  ): Promise<{ status: number; answer: Record<string, string> }> {
    const said = await talk(text);
    assert.match(said, /\r\ncontent-type: application\/json\r\n/i, said);
    return {
      status: Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1]),
      answer: JSON.parse(said.slice(said.indexOf('\r\n\r\n'))),
    };
  }

  it('makes a change and says so', async () => {
    const { status, answer } = await answerTo(post('{"wan":"fibre","weight":0}'));
    assert.deepEqual([status, answer], [200, { said: 'fibre: done' }]);
    assert.deepEqual(asked, [{ wan: 'fibre', weight: 0 }]);
    assert.equal(statSync(path).mode & 0o777, 0o660);
  });

  it('reloads, or says what that would do, for those who may', async () => {
    const reload = (body: string) => answerTo(post(body, body.length, '/reload'));
    assert.deepEqual(await reload('{"dryRun":true}'), {
      status: 200,
      answer: { lines: ['~ fibre weight 5 -> 3'], doubts: [] },
    });
    assert.deepEqual(await reload(''), { status: 400, answer: { error: 'wan.yaml is wrong' } });
    mayReload = false;
    const { status, answer } = await reload('{"dryRun":true}');
    mayReload = true;
    assert.equal(status, 403);
    assert.match(answer.error!, /only root and the daemon's own user/);
    assert.match(await talk('GET /reload HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 405 .*\r\nallow: POST/is);
  });

  for (const [what, body, code, error] of [
    ['empty', '', 400, /^what is asked for is not JSON; send for example/],
    ['no JSON', 'weight=5', 400, /is not JSON/],
    ['half a JSON', '{"wan":"fibre","wei', 400, /is not JSON/],
    ['bytes that are no text', '\x00\xff\xfe\x00', 400, /is not JSON/],
    ['no object', '[]', 400, /must be an object/],
    ['no WAN', '{"weight":5}', 400, /^no WAN is named/],
    ['a key that is none', '{"wan":"fibre","wieght":5}', 400, /did you mean "weight"/],
    ['a value that is none', '{"wan":"fibre","weight":-1}', 400, /must be a whole number/],
    ['an unknown WAN', '{"wan":"dsl","weight":5}', 404, /^there is no WAN "dsl"; there are fibre$/],
    ['too long', `{"wan":"${'x'.repeat(2000)}","weight":5}`, 413, /more than 1024 bytes/],
    ['much too long, in part', 'x'.repeat(60_000), 413, /more than 1024 bytes/],
    ['our own fault', '{"wan":"fibre","weight":99}', 500, /^a bug$/],
  ] as const) {
    it(`refuses a body that is ${what}, in one line of JSON`, async () => {
      const before = asked.length;
      const { status, answer } = await answerTo(post(body));
      assert.equal(status, code);
      assert.match(answer.error!, error);
      assert.equal(asked.length, before);
    });
  }

  it('does nothing for a body that ends before its length, or never comes', async () => {
    const before = asked.length;
    const whole = '{"wan":"fibre","weight":1}';
    assert.doesNotMatch(await talk(post(whole, 500), 'half'), / 200 /);
    await talk(post(whole, 500), 'cut');
    // Here the other side has to lose patience.
    assert.doesNotMatch(await talk(post('', 500)), / 200 /);
    assert.equal(asked.length, before);
    assert.equal((await answerTo(post(whole))).status, 200, 'and it goes on answering others');
  });

  it('hangs up on a body without an end', async () => {
    const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`;
    const head = 'POST /set HTTP/1.1\r\nHost: wanmark\r\nTransfer-Encoding: chunked\r\n\r\n';
    const before = asked.length;
    assert.equal(await talk(head + chunk.repeat(100)), '');
    assert.equal(asked.length, before);
  });

  it('knows what is asked by path and method', async () => {
    const line = async (head: string) =>
      (await talk(`${head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).split('\r\n')[0];
    assert.equal(await line('GET /status'), 'HTTP/1.1 200 OK');
    const pid = async (path: string) =>
      (await answerTo(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).answer;
    assert.deepEqual(await pid('/status'), { pid: 7 });
    assert.deepEqual(await pid('/status?connections=no'), { pid: 8 }, 'without connections');
    assert.equal(await line('GET /status?connections=yes'), 'HTTP/1.1 404 Not Found');
    assert.equal(await line('POST /status'), 'HTTP/1.1 405 Method Not Allowed');
    assert.equal(await line('GET /set'), 'HTTP/1.1 405 Method Not Allowed');
    assert.equal(await line('GET /'), 'HTTP/1.1 404 Not Found');
    assert.equal(asked.filter(({ weight }) => weight === 1).length, 1);
  });
});

describe('what is at the path of the control socket already', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-control-'));
  after(() => rmSync(dir, { recursive: true }));

  const open = (path: string) =>
    Control.open(
      path,
      async () => ({}) as Status,
      async () => '',
    );

  /** A socket that nobody listens on, as a daemon that was killed leaves it behind. */
  async function leave(path: string): Promise<void> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${path}.bound`, resolve));
    linkSync(`${path}.bound`, path);
    await new Promise((resolve) => server.close(resolve));
  }

  const file = join(dir, 'notes.txt');
  writeFileSync(file, 'mine');
  for (const [what, make] of [
    ['a regular file', (path: string) => writeFileSync(path, 'mine')],
    ['a directory', (path: string) => mkdirSync(path)],
    ['a symbolic link', (path: string) => symlinkSync(file, path)],
    ['a FIFO', (path: string) => spawnSync('mkfifo', [path])],
  ] as const) {
    it(`is ${what}: it is left alone, and one line says so`, async () => {
      const path = join(dir, what.replaceAll(' ', '-'));
      make(path);
      const { mode, ino } = lstatSync(path);
      await assert.rejects(open(path), {
        name: 'SystemError',
        message: `cannot listen on ${path}: it is ${what} and not a socket; move it away or use --socket PATH`,
      });
      assert.deepEqual([lstatSync(path).mode, lstatSync(path).ino], [mode, ino]);
      assert.equal(readFileSync(file, 'utf8'), 'mine');
    });
  }

  it('is a link to a socket that was left behind: neither is touched', async () => {
    const [socket, link] = [join(dir, 'left'), join(dir, 'link')];
    await leave(socket);
    symlinkSync(socket, link);
    await assert.rejects(open(link), /: it is a symbolic link and not a socket;/);
    assert.equal(readlinkSync(link), socket);
    assert.ok(lstatSync(socket).isSocket());
  });

  it('is a socket that was left behind: a new one takes its place', async () => {
    const path = join(dir, 'stale');
    await leave(path);
    const control = await open(path);
    const socket = connect(path);
    await once(socket, 'connect');
    socket.destroy();
    control.close();
  });

  it("is another daemon's socket: it goes on answering there", async () => {
    const path = join(dir, 'taken');
    const control = await open(path);
    const { ino } = lstatSync(path);
    await assert.rejects(open(path), /^SystemError: another daemon answers on .*; use --socket PATH$/);
    assert.equal(lstatSync(path).ino, ino);
    control.close();
  });

  it('cannot be looked at: what the kernel says is passed on', async () => {
    await assert.rejects(
      open(join(file, 'socket')),
      /^SystemError: cannot listen on .*: .*; use --socket PATH$/,
    );
  });
});
