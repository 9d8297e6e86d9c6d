/** Whatever is sent to the control socket, only a well-formed change is made, and the next client is answered. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Change } from '#wanmark/config/change.js';
import { Control } from '#wanmark/control/control.js';
import { askDaemon } from '#wanmark/control/daemon-client.js';
import type { Status } from '#wanmark/control/status.js';
import { type Draw, fuzz } from '../../helpers/fuzz.js';

const BODY = '{"wan":"fibre","weight":5}';
const REQUESTS = [
  'GET /status HTTP/1.1\r\nHost: wanmark\r\n\r\n',
  `POST /set HTTP/1.1\r\nHost: wanmark\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  `POST /set HTTP/1.1\r\nHost: wanmark\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\n${BODY}\r\n0\r\n\r\n`,
  'GET /set HTTP/1.0\r\nExpect: 100-continue\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n',
].map((text) => Buffer.from(text));

/** What a change could say, right and wrong. */
const VALUES = ['fibre', 'down', 'auto', '', 5, 0, -1, 1.5, 2 ** 53, null, true, [], ['fibre'], {}];

/** A well-formed request for a change of any kind. */
function change(draw: Draw): Buffer {
  const keys = ['wan', 'weight', 'state', '__proto__'].filter(() => draw.below(3) > 0);
  const body = JSON.stringify(Object.fromEntries(keys.map((key) => [key, draw.pick(VALUES)])));
  return Buffer.from(`POST /set HTTP/1.1\r\nHost: wanmark\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

describe('the control socket', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-fuzz-'));
  const path = join(dir, 'socket');
  const made: Change[] = [];
  let control: Control;

  before(async () => {
    const look = async () => ({ pid: 7 }) as Status;
    control = await Control.open(path, look, async (change) => {
      made.push(change);
      return 'done';
    });
  });
  after(() => {
    control.close();
    rmSync(dir, { recursive: true });
  });

  it('takes anything', async () => {
    await fuzz(async (draw) => {
      const socket = connect(path).on('error', () => undefined);
      socket.end(draw.below(2) === 0 ? change(draw) : draw.mutated(draw.pick(REQUESTS)));
      await once(socket.resume(), 'close');
      for (const { wan, weight, state } of made.splice(0)) {
        assert.equal(typeof wan, 'string');
        assert.ok(weight === undefined || weight === 'auto' || (Number.isInteger(weight) && weight >= 0));
        assert.ok([undefined, 'down', 'auto'].includes(state));
      }
      const { status, answer } = await askDaemon<{ pid: number }>(path, '/status');
      assert.deepEqual([status, answer.pid], [200, 7]);
    });
  });
});
