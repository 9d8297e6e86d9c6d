/** What the daemon tells programs: bytes, live connections, events, and that readers cost no decision. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DEFAULT_SOCKET } from '#wanmark/config/options/run.js';
import type { ConnectionsV1 } from '#wanmark/control/connections.js';
import { askDaemon } from '#wanmark/control/daemon-client.js';
import type { StatusV1 } from '#wanmark/control/status.js';
import type { Event } from '#wanmark/core/event.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

const RULES = ['--policy', 'first,use=wan1', '--rule', 'first,proto=tcp,dport=7'];

/** A reader of the stream of events. */
function follow({ sandbox }: Lab): { socket: Socket; text: () => string } {
  const socket = connect(join(sandbox.root, DEFAULT_SOCKET));
  let text = '';
  socket
    .on('error', () => undefined)
    .on('data', (data) => {
      text += data;
    });
  socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n');
  return { socket, text: () => text };
}

describe('the daemon tells programs', needs(nfqueue, addon), () => {
  it('bytes, connections and events; fifty readers delay no decision', async () => {
    await withLab(
      { wans: 2, up: RULES, run: ['--deadline', '1000', ...RULES] },
      async ({ lab, wanmark, daemon }) => {
        const get = async <Body>(path: string) =>
          (await askDaemon<Body>(join(lab.sandbox.root, DEFAULT_SOCKET), path, undefined, 30_000)).answer;
        // As many as may follow, half of which never read.
        const readers = Array.from({ length: 50 }, () => follow(lab));
        for (const { socket } of readers.slice(25)) socket.pause();
        assert.deepEqual(tally(await lab.connect({ count: 60, hold: true })), { wan1: 60 });
        const status = await eventually(
          () => get<StatusV1>('/v1/status?history=yes'),
          ({ wans }) => (wans[0]!.traffic?.inBitsPerSecond ?? 0) > 0,
          'a rate',
        );
        const [one, two] = status.wans.map(({ traffic }) => traffic!);
        assert.ok(one!.inBytes > 60 * 40 && one!.outBytes > 60 * 40, JSON.stringify(one));
        assert.ok(two!.inBytes < one!.inBytes);
        assert.equal(status.queue.kernelDecided, 0);
        assert.deepEqual(status.rules, { up: true, failure: null });
        assert.ok(status.history!.wan1!.in.some((rate) => rate !== null && rate > 0));

        const all = await get<ConnectionsV1>('/v1/connections?limit=5');
        assert.deepEqual([all.api, all.connections.length, all.found >= 60], [1, 5, true]);
        const shown = await get<ConnectionsV1>('/v1/connections?wan=wan1&policy=first');
        assert.equal(shown.found, 60);
        assert.deepEqual(
          [
            ...new Set(
              shown.connections.map(({ proto, dport, wan, state }) => [proto, dport, wan, state].join()),
            ),
          ],
          ['tcp,7,wan1,ESTABLISHED'],
        );
        assert.equal((await get<ConnectionsV1>('/v1/connections?wan=wan2&policy=first')).found, 0);
        const { src } = shown.connections[0]!;
        assert.ok((await get<ConnectionsV1>(`/v1/connections?client=${src}`)).found > 0);
        assert.equal((await get<ConnectionsV1>('/v1/connections?client=192.0.2.77')).found, 0);

        await lab.router.sh('ip link set wan1 down');
        const reading = readers.slice(0, 25);
        await eventually(
          async () => reading.filter(({ text }) => /"target":"wan1".*"state":"down"/.test(text())).length,
          (count) => count === reading.length,
          'every reader has heard of it',
        );
        const events = async (...args: string[]) =>
          (await wanmark.command(['events', ...args])).stdout.split('\n').filter(Boolean);
        const told = await eventually(
          async () => (await events('--json')).map((line) => JSON.parse(line) as Event),
          (list) => list.some(({ kind }) => kind === 'cut'),
          'what was cut',
        );
        assert.deepEqual(
          told.map(({ number }) => number),
          told.map((_, i) => i + 1),
        );
        assert.equal(told[0]!.kind, 'start');
        const lines = await events('--since', '10min');
        assert.ok(
          lines.some((line) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}wan1 IPv4 down after .*: /.test(line)),
          lines.join('\n'),
        );
        for (const { socket } of readers) socket.destroy();
        await daemon.stop();
        assert.ok(
          (await events()).some((line) => line.includes(' wanmark stopped after ')),
          'without a daemon',
        );
        assert.deepEqual(
          await events('--since', '2020-01-01T00:00', '--json').then((list) => list.length),
          (await events()).length,
        );
        const wrong = await wanmark.command(['events', '--since', 'noon'], 'any');
        assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
        assert.match(wrong.stderr, /^wanmark: --since: "noon" is not a time; [^\n]*\n$/);
      },
    );
  });
});
