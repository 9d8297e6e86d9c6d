// Requests to conntrack, flush and look-up, and the end of a counter.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { ConntrackCounter, ConntrackError } from '#wanmark/conntrack/counter.js';
import { flush, forget, lookup } from '#wanmark/conntrack/requests.js';
import type { Tuple } from '#wanmark/core/tuple.js';
import { UsageError } from '#wanmark/errors.js';
import { loadAddon } from '#wanmark/native.js';
import {
  conntrackTool,
  FAMILIES,
  insert,
  installMarks,
  listed,
  portOf,
  Traffic,
  until,
} from './conntrack-harness.js';
import { LOCAL, scenario } from './queue-harness.js';

const options = { mask: 0xff, highest: 255 };
const COUNTER_MODULE = import.meta.resolve('#wanmark/conntrack/counter.js');

scenario(
  import.meta.url,
  'flush ends the connections of its mark, of both families, and no other',
  async () => {
    installMarks();
    const counter = ConntrackCounter.open(options);
    let sport = 1000;
    for (const family of FAMILIES) {
      for (const mark of [1, 0xab01, 10, 11, 2, 0x100]) {
        insert({ family, mark, sport: sport++ });
        insert({ family, proto: 'udp', mark, sport: sport++ });
      }
    }
    const before = new Map([1, 2, 10, 11].map((mark) => [mark, mark === 1 ? 8 : 4]));
    assert.deepEqual(await listed(), before);
    await until(() => counter.count(1) === 8);
    await flush(1, 0xff);
    before.delete(1);
    assert.deepEqual(await listed(), before);
    await until(() => counter.count(1) === 0);
    assert.deepEqual(
      [2, 10, 11].map((mark) => counter.count(mark)),
      [4, 4, 4],
    );
    // The mask is the whole mark here, so that foreign bits count, too.
    insert({ mark: 0xab01, sport: 1 });
    insert({ mark: 0xcd01, sport: 2 });
    await flush(0xab01, 0xffffffff);
    assert.equal((await listed()).get(1), 1);
    await counter.close();
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'an open counter takes another exclusion, and refuses what is not a network',
  async () => {
    installMarks();
    for (const family of FAMILIES) insert({ family, mark: 1, sport: 10 });
    const exclusion = { to: ['203.0.113.0/24'], self: [] };
    const counter = ConntrackCounter.open({ ...options, exclusion });
    await counter.ready;
    assert.equal(counter.count(1), 1);
    counter.exclude({ to: ['203.0.113.1', '2001:db8::/32'], self: [] });
    await until(() => counter.count(1) === 0);
    counter.exclude({ to: [], self: [] });
    await until(() => counter.count(1) === 2);
    for (const text of ['203.0.113.0/33', 'lan0', '']) {
      const wrong = { to: [text], self: [] };
      assert.throws(() => counter.exclude(wrong), TypeError, text);
      assert.throws(() => ConntrackCounter.open({ ...options, exclusion: wrong }), text);
    }
    assert.equal(counter.count(1), 2);
    await counter.close();
    counter.exclude(exclusion);
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'flush can be limited to a family, to protocols and to unanswered connections',
  async () => {
    installMarks();
    const fill = () => {
      for (const family of FAMILIES) {
        for (let i = 0; i < 3; i++) insert({ family, mark: 1, sport: 10 + i, answered: true });
        for (let i = 0; i < 2; i++) insert({ family, mark: 1, sport: 20 + i, state: 'SYN_SENT' });
        insert({ family, proto: 'udp', mark: 1, sport: 30, answered: true });
        insert({ family, proto: 'udp', mark: 1, sport: 31 });
        insert({ family, proto: 'udp', mark: 2, sport: 32 });
      }
    };
    const left = async (family: 4 | 6) => {
      const argv = ['-L', '-f', `ipv${family}`, '--mark', '1/0xff'];
      const { stdout } = spawnSync('conntrack', argv, { encoding: 'utf8' });
      return [...stdout.matchAll(/^\S+ .*?sport=(\d+)/gm)].map(([, sport]) => Number(sport)).sort();
    };
    const all = [10, 11, 12, 20, 21, 30, 31];
    for (const [selection, rest] of [
      [{ family: 4 }, []],
      [{ family: 6 }, []],
      [{ family: 4, unanswered: true }, [10, 11, 12, 30]],
      [{ family: 6, unanswered: true, proto: 17 }, [10, 11, 12]],
      [{ family: 4, proto: 17 }, [10, 11, 12, 20, 21]],
    ] as const) {
      await flush(1, 0xff);
      await flush(2, 0xff);
      fill();
      await flush(1, 0xff, selection);
      const { family } = selection;
      const what = JSON.stringify(selection);
      assert.deepEqual(await left(family), rest, what);
      assert.deepEqual(await left(family === 4 ? 6 : 4), all, `the other family after ${what}`);
      assert.equal((await listed()).get(2), 2);
    }
    // These are more connections than one message to the kernel can hold.
    for (let i = 0; i < 400; i++) insert({ proto: 'udp', mark: 1, sport: 1000 + i });
    await flush(1, 0xff, { unanswered: true });
    assert.deepEqual(
      (await left(4)).filter((sport) => sport >= 1000),
      [],
    );
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'flush ends at most as many as it is told, returns how many it found, and can pick translated ones',
  async () => {
    installMarks();
    /** Selects connections with IPS_SRC_NAT. */
    const translated = { status: 1 << 4, statusMask: 1 << 4 };
    for (let i = 0; i < 30; i++) insert({ mark: 1, sport: 100 + i, from: '198.51.100.1' });
    for (let i = 0; i < 5; i++) insert({ mark: 1, sport: 200 + i });
    insert({ mark: 2, sport: 300, from: '198.51.100.1' });
    assert.deepEqual(await flush(1, 0xff, { ...translated, most: 12 }), { found: 30, ended: 12 });
    assert.deepEqual(await flush(1, 0xff, { ...translated, most: 12, proto: 17 }), { found: 0, ended: 0 });
    assert.deepEqual(await flush(1, 0xff, { ...translated, most: 18 }), { found: 18, ended: 18 });
    assert.deepEqual(
      await listed(),
      new Map([
        [1, 5],
        [2, 1],
      ]),
    );
    assert.deepEqual(await flush(1, 0xff, { status: 0, statusMask: 1 << 4 }), { found: 5, ended: 5 });
    assert.equal(await flush(2, 0xff), undefined);
    assert.deepEqual(await listed(), new Map());
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'flush refuses mask 0, in TypeScript and in the addon, and a mark outside its mask',
  async () => {
    installMarks();
    insert({ mark: 1, sport: 1 });
    for (const [mark, mask] of [
      [1, 0],
      [0, 0],
      [1, -1],
      [1, 2 ** 32],
      [0x101, 0xff],
      [Number.NaN, 0xff],
    ] as const) {
      await assert.rejects(flush(mark, mask), UsageError, `${mark}/${mask}`);
    }
    const { flushConntrack } = loadAddon<{ flushConntrack(mark?: unknown, mask?: unknown): unknown }>();
    assert.throws(() => flushConntrack(1, 0), RangeError);
    assert.throws(() => flushConntrack(1), RangeError);
    assert.throws(() => flushConntrack(1, '255'), RangeError);
    // 2^32 would be 0 as a 32-bit number.
    assert.throws(() => flushConntrack(1, 2 ** 32), RangeError);
    assert.equal((await listed()).get(1), 1);
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'look-up returns mark, status, timeout and TCP state of one connection',
  async () => {
    installMarks();
    for (const [family, src, dst] of [
      [4, '192.0.2.1', '203.0.113.1'],
      [6, '2001:db8:1::1', '2001:db8:2::1'],
    ] as const) {
      insert({ family, mark: 0xab01, sport: 7 });
      insert({ family, state: 'TIME_WAIT', mark: 2, sport: 8 });
      insert({ family, proto: 'udp', mark: 3, sport: 7 });
      const tuple = { family, proto: 6, src, dst, sport: 7, dport: 80 };
      const entry = await lookup(tuple);
      assert.equal(entry?.mark, 0xab01);
      assert.equal(entry.tcpState, 'ESTABLISHED');
      // The bit is IPS_CONFIRMED.
      assert.equal(entry.status & 8, 8);
      assert.ok(entry.timeout > 500 && entry.timeout <= 600, `${entry.timeout} s`);
      assert.equal((await lookup({ ...tuple, sport: 8 }))?.tcpState, 'TIME_WAIT');
      const udp = await lookup({ ...tuple, proto: 17 });
      assert.equal(udp?.mark, 3);
      assert.equal(udp.tcpState, undefined);
      assert.equal(await lookup({ ...tuple, sport: 9 }), undefined);
    }
    const wrong = { family: 4, proto: 6, src: '::1', dst: '::1', sport: 1, dport: 1 } as const;
    await assert.rejects(lookup(wrong), UsageError);
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'connections are forgotten one by one, each only with its mark and, where that is asked for, without an answer',
  async () => {
    installMarks();
    const of = (family: 4 | 6, sport: number, proto = 6): Tuple => {
      const [src, dst] = family === 4 ? ['192.0.2.1', '203.0.113.1'] : ['2001:db8:1::1', '2001:db8:2::1'];
      return { family, proto, src: src!, dst: dst!, sport, dport: 80 };
    };
    for (const family of FAMILIES) {
      insert({ family, mark: 0xab01, sport: 1, state: 'SYN_SENT' });
      insert({ family, mark: 1, sport: 2, answered: true });
      insert({ family, mark: 2, sport: 3, state: 'SYN_SENT' });
      insert({ family, mark: 1, sport: 4, proto: 'udp' });
      insert({ family, mark: 1, sport: 5, state: 'SYN_SENT' });
      const mark = 1;
      const asked = [of(family, 1), of(family, 2), of(family, 3), of(family, 9), of(family, 4, 17)];
      const ended = await forget(
        asked.map((tuple) => ({ tuple, mark })),
        0xff,
        'unanswered',
      );
      assert.deepEqual(ended, [true, false, false, false, true]);
      const left = await Promise.all([...asked, of(family, 5)].map((tuple) => lookup(tuple)));
      assert.deepEqual(
        left.map((entry) => entry?.mark),
        [undefined, 1, 2, undefined, undefined, 1],
      );
      assert.deepEqual(
        await forget([{ tuple: of(family, 2), mark }], 0xff, 'all'),
        [true],
        'answered or not',
      );
      assert.equal(await lookup(of(family, 2)), undefined);
    }
    assert.deepEqual(await forget([], 0xff, 'unanswered'), []);
    const question = { tuple: of(4, 5), mark: 1 };
    for (const [wrong, mask] of [
      [question, 0],
      [{ ...question, mark: 0x101 }, 0xff],
      [{ ...question, tuple: { ...question.tuple, src: '::1' } }, 0xff],
    ] as const) {
      await assert.rejects(forget([wrong], mask, 'unanswered'), UsageError);
    }
    assert.equal((await lookup(question.tuple))?.mark, 1);
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'look-up follows a real connection',
  async () => {
    installMarks();
    const traffic = await Traffic.start();
    for (const family of FAMILIES) {
      const { sport, close } = await traffic.open(family, 3);
      const tuple = { family, proto: 6, src: LOCAL[family], dst: LOCAL[family], sport, dport: portOf(3) };
      assert.equal((await lookup(tuple))?.tcpState, 'ESTABLISHED');
      close();
      await until(async () => (await lookup(tuple))?.tcpState === 'TIME_WAIT');
    }
    traffic.stop();
  },
  conntrackTool,
);

/** Runs a program that can use `ConntrackCounter` and `options`, here. @param prefix words before the argv */
function run(text: string, ...prefix: string[]) {
  const head = `import { ConntrackCounter } from ${JSON.stringify(COUNTER_MODULE)};
    const options = ${JSON.stringify(options)};`;
  const argv = [...prefix, process.execPath, '--input-type=module', '-e', `${head}\n${text}`];
  return spawnSync(argv[0]!, argv.slice(1), { timeout: 120_000, encoding: 'utf8' });
}

scenario(import.meta.url, 'a process ends: by itself after close, unref’ed, and by exit', async () => {
  for (const text of [
    'await ConntrackCounter.open(options).close(); console.log("end")',
    'const c = ConntrackCounter.open(options); await c.ready; c.unref(); await c.close(); console.log("end")',
    'ConntrackCounter.open(options).unref(); console.log("end")',
    'const c = ConntrackCounter.open(options); c.unref(); c.ref(); c.closeNow(); c.closeNow(); await c.close(); console.log("end")',
    'const c = ConntrackCounter.open(options); c.closeNow(); await c.ready; c.stats(); c.decided(1); console.log("end")',
    'ConntrackCounter.open(options); console.log("end"); process.exit(0)',
  ]) {
    const { status, stdout, stderr } = run(text);
    assert.equal(status, 0, `${text}\n${stderr}`);
    assert.equal(stdout, 'end\n');
  }
});

const WORKER = `
  const { workerData: { module, options }, parentPort } = require('node:worker_threads');
  import(module).then(async ({ ConntrackCounter }) => {
    const counter = ConntrackCounter.open(options);
    await counter.ready;
    parentPort.postMessage(counter.count(1));
  });
`;

scenario(
  import.meta.url,
  'counters in workers run beside each other; terminated, they leave no thread and no descriptor',
  async () => {
    installMarks();
    insert({ mark: 1, sport: 1 });
    const own = ConntrackCounter.open(options);
    await own.ready;
    const use = () => ['fd', 'task'].map((name) => readdirSync(`/proc/self/${name}`).length);
    const worker = async () => {
      const thread = new Worker(WORKER, { eval: true, workerData: { module: COUNTER_MODULE, options } });
      const [count] = await once(thread, 'message');
      assert.equal(count, 1);
      await thread.terminate();
    };
    await worker();
    const before = use();
    for (let i = 0; i < 5; i++) await worker();
    for (let i = 0; i < 50; i++) await ConntrackCounter.open(options).close();
    // A joined thread is listed for another moment, a leaked one for ever.
    await until(() => use().every((count, i) => count <= before[i]!));
    assert.equal(own.count(1), 1);
    await own.close();
  },
  conntrackTool,
);

scenario(import.meta.url, 'options out of range are refused', async () => {
  for (const wrong of [
    { mask: 0 },
    { mask: 0x5 },
    { mask: 0xff, highest: 0 },
    { mask: 0xff, highest: 256 },
    { mask: 0xffffffff, highest: 65536 },
    { mask: 0xff, receiveBuffer: 0 },
    { mask: 0xff, intervalMs: 1 },
  ]) {
    assert.throws(
      () => ConntrackCounter.open(wrong),
      /mask|Expected the "(highest|receiveBuffer|intervalMs)"/,
    );
  }
  const wide = ConntrackCounter.open({ mask: 0xffffffff });
  await wide.ready;
  assert.equal(wide.count(65535), 0);
  assert.equal(wide.count(65536), 0);
  wide.decided(65535);
  wide.decided(65536);
  wide.decided(0);
  assert.equal(wide.count(65535), 1);
  assert.equal(wide.count(0), 0);
  await wide.close();
});

scenario(import.meta.url, 'without the capability: one line that says what is missing', async () => {
  const text = 'try { ConntrackCounter.open(options) } catch (e) { console.log(e.code + " " + e.message) }';
  const { stdout, stderr } = run(text, 'setpriv', '--bounding-set', '-all', '--inh-caps', '-all');
  assert.match(stdout, /^CONNTRACK_NOT_PRIVILEGED conntrack needs CAP_NET_ADMIN: [^\n]+\n$/, stderr);
  assert.equal(new ConntrackError('CONNTRACK_SYSTEM', 'x').exitCode, 1);
});
