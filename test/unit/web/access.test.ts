import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { UsageError } from '#wanmark/errors.js';
import { Access } from '#wanmark/web/access.js';
import { Refused } from '#wanmark/web/refused.js';
import { Token } from '#wanmark/web/token.js';

const WORD = 'correct-horse-battery-staple';

/** A request from an address, with headers. */
function from(remoteAddress: string, headers: IncomingMessage['headers'] = {}): IncomingMessage {
  return { headers, socket: { remoteAddress } } as IncomingMessage;
}

function made() {
  const clock = { now: 0 };
  const access = new Access(new Token(WORD), () => clock.now);
  /** The code of the refusal of a token, or 200. */
  const bearer = (token: string, address = '192.0.2.1') => {
    try {
      access.need(from(address, { authorization: `Bearer ${token}` }));
      return 200;
    } catch (error) {
      assert.ok(error instanceof Refused);
      return error.code;
    }
  };
  return { clock, access, bearer };
}

describe('who may look', () => {
  it('is everybody where no token is asked for', () => {
    new Access(undefined).need(from('192.0.2.1'));
  });

  it('is whoever sends the token', () => {
    const { access, bearer } = made();
    assert.deepEqual([bearer(WORD), bearer(`${WORD}x`), bearer(WORD, '192.0.2.2')], [200, 401, 200]);
    assert.throws(() => access.need(from('192.0.2.3')), { code: 401 });
    assert.throws(() => access.need(from('192.0.2.3', { authorization: `Basic ${WORD}` })), { code: 401 });
  });

  it('has to wait after a wrong one, each time twice as long, whatever comes then', () => {
    const { clock, bearer } = made();
    for (const waitMs of [1000, 2000, 4000]) {
      assert.equal(bearer('wrong'), 401);
      clock.now += waitMs - 1;
      assert.equal(bearer(WORD), 429, `after ${waitMs - 1} ms`);
      clock.now += 1;
    }
    for (let i = 0; i < 20; i++) {
      assert.equal(bearer('wrong'), 401);
      clock.now += 60_000;
    }
    assert.equal(bearer(WORD), 200);
    assert.equal(bearer('wrong'), 401);
    clock.now += 1000;
    assert.equal(bearer(WORD), 200, 'a right one has ended it');
  });

  it('waits for nobody else, but for the whole of its IPv6 network', () => {
    const { bearer } = made();
    assert.equal(bearer('wrong', '2001:db8:1:2::3'), 401);
    assert.equal(bearer(WORD, '2001:db8:1:2:9:9:9:9'), 429);
    assert.equal(bearer(WORD, '2001:db8:1:3::3'), 200);
    assert.equal(bearer('wrong', '::ffff:192.0.2.1'), 401);
    assert.equal(bearer(WORD, '::ffff:192.0.2.2'), 200);
  });

  it('is whoever has logged in, for half a day, until the logout, in a cookie that no script and no other site has', () => {
    const { clock, access } = made();
    const header = access.login(WORD, from('192.0.2.1'));
    assert.match(header, /^wanmark=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    const cookie = `other=1; ${header.split(';')[0]}`;
    const visit = () => access.need(from('192.0.2.9', { cookie }));
    visit();
    assert.notEqual(access.login(WORD, from('192.0.2.1')), header);
    clock.now += 43_200_000;
    assert.throws(visit, { code: 401 });
    clock.now = 0;
    visit();
    assert.match(access.logout(from('192.0.2.9', { cookie })), /^wanmark=; .*Max-Age=0$/);
    assert.throws(visit, { code: 401 });
  });

  it('does not pay for an old cookie, only for a wrong token', () => {
    const { access, bearer } = made();
    assert.throws(() => access.need(from('192.0.2.1', { cookie: 'wanmark=old' })), { code: 401 });
    assert.equal(bearer(WORD), 200);
    assert.throws(() => access.login('wrong', from('192.0.2.1')), { code: 401 });
    assert.throws(() => access.login(WORD, from('192.0.2.1')), { code: 429, retryAfter: 1 });
  });
});

describe('a token file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wanmark-token-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'token');
  const write = (text: string, mode = 0o640) => {
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  };

  it('has one line', () => {
    assert.equal(Token.read(write(`${WORD}\n`)).matches(WORD), true);
    assert.equal(Token.read(file).matches(''), false);
  });

  it('is refused where it protects nothing', () => {
    for (const [text, mode] of [
      ['short', 0o600],
      ['', 0o600],
      [`${WORD}\n${WORD}`, 0o600],
      ['x'.repeat(2000), 0o600],
      [WORD, 0o644],
    ] as const)
      assert.throws(() => Token.read(write(text, mode)), UsageError);
    assert.throws(() => Token.read(join(folder, 'none')), /cannot be read: ENOENT/);
    assert.throws(() => Token.read(folder), UsageError);
  });
});
