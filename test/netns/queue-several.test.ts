// One `decide` answers several queues of a process that a rule with --queue-balance feeds, exactly even under load.
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Batch } from '#wanmark/core/batch.js';
import { Queue } from '#wanmark/queue/queue.js';
import { Queues } from '#wanmark/queue/queues.js';
import { always, MASK, marks, PORT, rule, type Sender, scenario } from './queue-harness.js';

const LAST = 3;
const COUNT = LAST + 1;
/** The first queue has number 0. */
const OPTIONS = { num: 0, count: COUNT, mask: MASK, deadlineMs: 10_000, cacheMs: 60_000 };
/** The kernel picks the queue by addresses; the odds that one of four queues gets none of 80 are 1 to 2 000 000 000. */
const SOURCES = 80;
const FLOWS_EACH = 15;
const DATAGRAMS = 3;

/** Installs rules like those of `installRules`, for all the queues. */
function installBalance(): void {
  rule(4, `-t mangle -A OUTPUT -m mark ! --mark 0/${MASK} -j RETURN`);
  rule(4, `-t mangle -A OUTPUT -p udp --dport ${PORT} -j NFQUEUE --queue-balance 0:${LAST} --queue-bypass`);
  for (const mark of [0, 1, 2, 3]) {
    rule(
      4,
      `-t mangle -A POSTROUTING -p udp -m mark --mark ${mark}/${MASK} -m comment --comment mark${mark}`,
    );
  }
}

/** A `decide` that gives marks 1, 2, 3, 1 ... in order, whichever queue asks. */
function rotation(): { decide: (batch: Batch, count: number) => void } {
  let next = 0;
  return {
    decide: (batch, count) => {
      for (let i = 0; i < count; i++) batch.marks[i] = (next++ % 3) + 1;
    },
  };
}

/** Opens flows from many addresses of this machine to PORT. */
async function flows(): Promise<Pick<Sender, 'send' | 'close'>[]> {
  const sockets = Array.from({ length: SOURCES * FLOWS_EACH }, () => createSocket('udp4'));
  return Promise.all(
    sockets.map(async (socket, i) => {
      socket.bind(0, `127.0.1.${(i % SOURCES) + 1}`);
      await once(socket, 'listening');
      socket.connect(PORT, '127.0.0.1');
      await once(socket, 'connect');
      return { send: () => socket.send('x'), close: () => socket.close() };
    }),
  );
}

/** Opens a socket on PORT, so that the flows get no errors; it is not read, so that it takes no time. */
async function quiet(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 2048 });
  socket.bind(PORT, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function answered(queues: Queues, count: number): Promise<void> {
  while (queues.stats().verdicts < count) await new Promise(setImmediate);
}

scenario(
  import.meta.url,
  'under load: each flow is decided once, and the decisions are exact over all',
  async () => {
    installBalance();
    const queues = Queues.open(OPTIONS, rotation().decide);
    const nobody = await quiet();
    const all = await flows();
    // All are sent in one tick, so that JS answers none before the last is sent.
    for (let i = 0; i < DATAGRAMS; i++) for (const flow of all) flow.send();
    await answered(queues, DATAGRAMS * all.length);
    const third = (DATAGRAMS * all.length) / 3;
    assert.deepEqual(marks(4), [0, third, third, third]);
    const { packets, decisions, cacheHits, errors } = queues.stats();
    assert.deepEqual(
      { packets, decisions, cacheHits },
      { packets: DATAGRAMS * all.length, decisions: all.length, cacheHits: 2 * all.length },
    );
    assert.deepEqual(errors, { enoent: 0, eperm: 0, enodev: 0, other: 0 });
    for (const queue of queues) assert.ok(queue.stats().packets > 0, `queue ${queue.num} had some`);
    assert.equal([...queues].length, COUNT);

    // Mark 1 is forgotten in every queue, so the next datagrams of its flows are decided anew.
    assert.equal(queues.forget(1), all.length / 3);
    assert.equal(queues.forget(1), 0);
    for (const flow of all) flow.send();
    await answered(queues, (DATAGRAMS + 1) * all.length);
    assert.equal(queues.stats().decisions, all.length + all.length / 3);

    await queues.ping();
    for (const flow of all) flow.close();
    nobody.close();
    await queues.close();
    assert.equal(queues.stats().packets, (DATAGRAMS + 1) * all.length);
  },
);

scenario(import.meta.url, 'all queues are opened, or none', async () => {
  const last = Queue.open({ num: LAST, mask: MASK }, always(1));
  assert.throws(() => Queues.open(OPTIONS, always(1)), {
    code: 'QUEUE_TAKEN',
    message: `queue ${LAST} is open already in this process; close it first`,
  });
  for (let num = 0; num < LAST; num++) await Queue.open({ num, mask: MASK }, always(1)).close();
  await last.close();
  await Queues.open(OPTIONS, always(1)).close();
});

scenario(import.meta.url, 'closing loses no packet that waits in any queue', async () => {
  installBalance();
  const queues = Queues.open(OPTIONS, always(2));
  const nobody = await quiet();
  const all = await flows();
  for (const flow of all) flow.send();
  await queues.close();
  const [none, , two] = marks(4);
  assert.equal(none! + two!, all.length);
  assert.ok(two! > 0);
  for (const flow of all) flow.close();
  nobody.close();
});
