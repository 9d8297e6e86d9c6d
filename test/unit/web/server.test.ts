import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { SystemError } from '#wanmark/errors.js';
import { Web, type WebOptions } from '#wanmark/web/server.js';
import { Token } from '#wanmark/web/token.js';
import { FakeDaemon } from '../../helpers/fake-daemon.js';
import { eventually } from '../../helpers/router-state.js';
import { statusSample } from '../../helpers/status-sample.js';

const WORD = 'correct-horse-battery-staple';
const LISTEN = { host: '127.0.0.1', port: 0, isLoopback: true };

interface Answer {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

describe('wanmark web', () => {
  let daemon: FakeDaemon;
  const faults: unknown[] = [];
  const webs: Web[] = [];
  let open: Web;
  let guarded: Web;
  const start = async (more: Partial<WebOptions>) => {
    const common = {
      version: '1.2.3',
      listen: LISTEN,
      socket: daemon.socket,
      token: undefined,
      hosts: [],
      allowSet: false,
    };
    const web = await Web.start({ ...common, onFault: (error) => faults.push(error), ...more });
    webs.push(web);
    return web;
  };
  before(async () => {
    daemon = await FakeDaemon.start(statusSample());
    daemon.answers.set('/set', () => ({ said: 'fibre: weight 0' }));
    open = await start({ hosts: ['Router.Lan'], allowSet: true });
    guarded = await start({ token: new Token(WORD) });
  });
  after(async () => {
    for (const web of webs) web.stop();
    await daemon.stop();
    assert.deepEqual(faults, []);
  });

  const ask = ({ port }: Web, path: string, { method = 'GET', headers = {}, body }: Asked = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const call = request({ host: LISTEN.host, port, path, method, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (more: string) => {
          text += more;
        });
        response.on('end', () => resolve({ code: response.statusCode!, headers: response.headers, text }));
      });
      call.on('error', reject).end(body);
    });
  const codes = async (web: Web, path: string, all: readonly Record<string, string>[]) =>
    Promise.all(all.map(async (headers) => (await ask(web, path, { headers })).code));
  const JSON_TYPE = { 'content-type': 'application/json' };
  const bearer = { authorization: `Bearer ${WORD}` };

  it('serves the page from files of its own, with a policy that lets nothing else in', async () => {
    const { code, headers, text } = await ask(open, '/');
    assert.equal(code, 200);
    const policy = headers['content-security-policy'] as string;
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.doesNotMatch(text, /<script(?![^>]*src="\/)|<style| style=|https?:\/\//);
    for (const [, path] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const file = await ask(open, path!);
      assert.equal(file.code, 200, path);
      for (const [, next] of file.text.matchAll(/from '\.([^']+)'/g))
        assert.equal((await ask(open, next!)).code, 200, next);
      const again = await ask(open, path!, { headers: { 'if-none-match': file.headers.etag! } });
      assert.deepEqual([again.code, again.text], [304, '']);
    }
  });

  it('answers under its address and its names, and no page of another site', async () => {
    const own = `127.0.0.1:${open.port}`;
    const hosts = [own, `localhost:${open.port}`, '[::1]:9', 'router.lan', 'ROUTER.lan:80', '192.0.2.7'];
    assert.deepEqual(
      await codes(
        open,
        '/api/session',
        hosts.map((host) => ({ host })),
      ),
      hosts.map(() => 200),
    );
    const foreign = [
      'evil.example',
      `evil.example:${open.port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
    ];
    assert.deepEqual(
      await codes(
        open,
        '/metrics',
        foreign.map((host) => ({ host })),
      ),
      foreign.map(() => 421),
    );
    assert.deepEqual(
      await codes(open, '/api/session', [
        { origin: `http://${own}` },
        { origin: `https://${own}` },
        { origin: 'null' },
        { origin: 'http://evil.example' },
        { origin: `http://127.0.0.1:${open.port + 1}` },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' },
        { 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-site': 'none' },
      ]),
      [200, 200, 403, 403, 403, 403, 403, 200, 200],
    );
    assert.deepEqual(
      await codes(open, '/', [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }]),
      [200],
      'a link from elsewhere leads here',
    );
  });

  it('shows its files to everybody and all else only with the token, by header or cookie', async () => {
    for (const path of ['/metrics', '/api/session', '/api/stream', '/api/history']) {
      const { code, headers, text } = await ask(guarded, path);
      assert.deepEqual([path, code, JSON.parse(text)], [path, 401, { error: 'a token is needed' }]);
      assert.equal(headers['www-authenticate'], 'Bearer realm="wanmark"');
    }
    assert.deepEqual([(await ask(guarded, '/')).code, (await ask(guarded, '/page.js')).code], [200, 200]);
    assert.equal((await ask(guarded, '/metrics', { headers: bearer })).code, 200);
    const origin = { origin: `http://127.0.0.1:${guarded.port}`, ...JSON_TYPE };
    const login = await ask(guarded, '/api/login', {
      method: 'POST',
      headers: origin,
      body: JSON.stringify({ token: WORD }),
    });
    const cookie = login.headers['set-cookie']![0]!.split(';')[0]!;
    assert.deepEqual(
      await codes(guarded, '/api/session', [{ cookie }, { cookie: `${cookie}x` }]),
      [200, 401],
    );
    await ask(guarded, '/api/logout', { method: 'POST', headers: { ...origin, cookie } });
    assert.deepEqual(await codes(guarded, '/api/session', [{ cookie }]), [401]);
  });

  it('makes whoever tries wrong tokens wait', async () => {
    const web = await start({ token: new Token(WORD) });
    const wrong = { authorization: 'Bearer wrong' };
    assert.deepEqual(await codes(web, '/metrics', [wrong]), [401]);
    const { code, headers } = await ask(web, '/metrics', { headers: bearer });
    assert.deepEqual([code, headers['retry-after']], [429, '1']);
  });

  it('sets a WAN where that is allowed, for its own page or a program with a token', async () => {
    const body = JSON.stringify({ wan: 'fibre', weight: 0 });
    const origin = { origin: `http://127.0.0.1:${open.port}`, ...JSON_TYPE };
    const set = (web: Web, headers: Record<string, string>, what = body) =>
      ask(web, '/api/set', { method: 'POST', headers, body: what });
    const done = await set(open, origin);
    assert.deepEqual([done.code, JSON.parse(done.text)], [200, { said: 'fibre: weight 0' }]);
    assert.deepEqual(daemon.sent.splice(0), [body]);
    assert.equal((await set(guarded, { ...bearer, ...JSON_TYPE })).code, 403, 'without --allow-set');
    assert.equal((await set(open, JSON_TYPE)).code, 403, 'without an origin');
    assert.equal(
      (await set(open, { ...origin, 'content-type': 'text/plain' })).code,
      415,
      'what a form can send',
    );
    assert.equal((await set(open, origin, '[]')).code, 400);
    assert.equal((await set(open, origin, '{"wan": "fibre", "colour": 1}')).code, 400);
    assert.equal((await set(open, origin, `"${'x'.repeat(9000)}"`)).code, 413);
    assert.equal((await ask(open, '/api/set')).code, 405);
    assert.deepEqual(daemon.sent, []);
  });

  it('has metrics, also while no daemon answers', async () => {
    const { headers, text } = await ask(open, '/metrics');
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(text, /\nwanmark_wan_up\{wan="fibre",family="ipv4"\} 1\n/);
    const lost = await start({ socket: '/nowhere/socket' });
    assert.match((await ask(lost, '/metrics')).text, /^wanmark_daemon_up 0$/m);
  });

  it('tells a page the status at once and each second, and has its history', async () => {
    const call = request({ host: LISTEN.host, port: open.port, path: '/api/stream' });
    let text = '';
    call.on('response', (response) =>
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      }),
    );
    call.on('error', () => undefined).end();
    const told = () =>
      [...text.matchAll(/^event: status\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data!));
    await eventually(
      async () => told(),
      (all) => all.length >= 3,
      'three statuses',
    );
    assert.equal(told()[0].status.wans[0].name, 'fibre');
    assert.ok(daemon.asked.includes('GET /v1/status'), 'connections are counted while a page is open');
    call.destroy();
    const history = JSON.parse((await ask(open, '/api/history?span=hour')).text);
    assert.equal(history.series['fibre in'].at(-1), 8000);
    const codesOf = await Promise.all(
      ['span=year', 'after=x', 'span=__proto__'].map((query) => ask(open, `/api/history?${query}`)),
    );
    assert.deepEqual(
      codesOf.map(({ code }) => code),
      [400, 400, 400],
    );
  });

  it('tells many pages, but no more than it can', async () => {
    const calls = Array.from({ length: 33 }, () =>
      request({ host: LISTEN.host, port: open.port, path: '/api/stream', agent: false }),
    );
    const answers = await Promise.all(
      calls.map(
        (call) => new Promise<number>((resolve) => call.on('response', (r) => resolve(r.statusCode!)).end()),
      ),
    );
    for (const call of calls) call.on('error', () => undefined).destroy();
    assert.deepEqual(
      answers.filter((code) => code !== 200),
      [503],
    );
  });

  it('refuses what is no request for it', async () => {
    const paths = [
      '/nothing',
      '/../package.json',
      '/%2e%2e/package.json',
      '/constructor',
      '/api/__proto__',
      '//evil.example/',
    ];
    const answers = await Promise.all(paths.map((path) => ask(open, path)));
    assert.deepEqual(
      answers.map(({ code }) => code),
      paths.map(() => 404),
    );
    assert.equal((await ask(open, `/?${'x'.repeat(3000)}`)).code, 414);
    assert.equal((await ask(open, '/', { method: 'DELETE' })).code, 405);
    await assert.rejects(
      ask(open, '/', { headers: { filler: 'x'.repeat(9000) } }),
      /ECONNRESET|socket hang up/,
    );
  });

  it('ends whoever is slow to ask', async () => {
    const began = performance.now();
    const socket = connect(open.port, LISTEN.host);
    socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ');
    await new Promise((resolve) => socket.on('close', resolve).resume());
    assert.ok(performance.now() - began > 4000, 'not at once');
  });

  it('says in a line that it cannot listen', async () => {
    const taken = start({ listen: { ...LISTEN, port: open.port } });
    await assert.rejects(
      taken,
      (error) => error instanceof SystemError && /EADDRINUSE; use --listen/.test(error.message),
    );
  });
});
