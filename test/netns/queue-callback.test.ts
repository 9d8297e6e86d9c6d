// Whatever `decide` does wrong, each packet still gets its verdict.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Batch } from '#wanmark/core/batch.js';
import { Queue, type QueueError } from '#wanmark/queue/queue.js';
import {
  always,
  assertConsistent,
  counter,
  installRules,
  MASK,
  marks,
  PORT,
  Receiver,
  Sender,
  scenario,
  senders,
} from './queue-harness.js';

const options = { num: 0, mask: MASK, deadlineMs: 10_000 };

/** Sends three packets of three flows to a queue and waits until they have arrived. */
async function threePackets(queue: Queue): Promise<void> {
  const receiver = await Receiver.open(4);
  const flows = await senders(4, 3);
  for (const sender of flows) sender.send();
  await receiver.until(3);
  await assertConsistent(queue);
  for (const sender of flows) sender.close();
  receiver.close();
}

/** A `decide` that writes mark 1 for the first packet of a call and then calls `what`. */
function firstAndThen(what: () => void): (batch: Batch) => void {
  return (batch) => {
    batch.marks[0] = 1;
    what();
  };
}

for (const thrown of [new Error('boom'), null, undefined, 'text']) {
  scenario(import.meta.url, `decide throws ${thrown} and the queue has onError`, async () => {
    installRules(4);
    const errors: QueueError[] = [];
    let calls = 0;
    const decide = firstAndThen(() => {
      calls++;
      throw thrown;
    });
    const queue = Queue.open(options, decide, (error) => errors.push(error));
    await threePackets(queue);
    assert.equal(errors.length, calls);
    assert.equal(errors[0]?.code, 'QUEUE_CALLBACK');
    assert.equal(errors[0]?.cause, thrown);
    // Answers written before the exception count.
    assert.deepEqual(marks(4), [3 - calls, calls, 0, 0]);
    assert.equal(queue.stats().callbackErrors, calls);
    await queue.close();
  });
}

scenario(import.meta.url, 'decide throws and nobody listens: an uncaught exception', async () => {
  installRules(4);
  const caught: unknown[] = [];
  process.on('uncaughtException', (error) => caught.push(error));
  const boom = new Error('boom');
  let calls = 0;
  const queue = Queue.open(
    options,
    firstAndThen(() => {
      calls++;
      throw boom;
    }),
  );
  await threePackets(queue);
  assert.deepEqual(caught, new Array(calls).fill(boom));
  await queue.close();
});

scenario(import.meta.url, 'onError throws: an uncaught exception as well', async () => {
  installRules(4);
  const caught: unknown[] = [];
  process.on('uncaughtException', (error) => caught.push(error));
  const second = new Error('in onError');
  const queue = Queue.open(
    options,
    firstAndThen(() => {
      throw new Error('boom');
    }),
    () => {
      throw second;
    },
  );
  await threePackets(queue);
  assert.equal(caught[0], second);
  await queue.close();
});

scenario(import.meta.url, 'decide answers rubbish or nothing: the kernel decides', async () => {
  installRules(4);
  const rubbish = [0x100, 0xfffffffe, -2, Number.NaN, 'x', undefined];
  let calls = 0;
  const queue = Queue.open(options, (batch, count) => {
    for (let i = 0; i < count; i++) (batch.marks as { [i: number]: unknown })[i] = rubbish[calls++];
  });
  const receiver = await Receiver.open(4);
  const flows = await senders(4, rubbish.length);
  for (const sender of flows) sender.send();
  await receiver.until(rubbish.length);
  assert.deepEqual(marks(4), [rubbish.length, 0, 0, 0]);
  // NaN, 'x' and undefined become 0 in a Uint32Array, which is KERNEL_DECIDES.
  assert.equal(queue.stats().invalid, 3);
  assert.equal(queue.stats().kernelDecided, rubbish.length);
  await assertConsistent(queue);

  // An answer that is no mark is not remembered, so the flow is asked for again.
  flows[0]!.send();
  await receiver.until(rubbish.length + 1);
  assert.equal(calls, rubbish.length + 1);
  for (const sender of flows) sender.close();
  receiver.close();
  await queue.close();
});

scenario(import.meta.url, 'the memory of the batch cannot be taken away', async () => {
  installRules(4);
  let calls = 0;
  const queue = Queue.open(options, (batch) => {
    calls++;
    try {
      // Node 20 copies the buffer, later versions throw a DataCloneError.
      structuredClone(batch.marks.buffer, { transfer: [batch.marks.buffer as ArrayBuffer] });
    } catch (error) {
      assert.equal((error as Error).name, 'DataCloneError');
    }
    batch.marks[0] = 1;
  });
  await threePackets(queue);
  assert.deepEqual(marks(4), [3 - calls, calls, 0, 0]);
  await queue.close();
});

// A thread that sends datagrams to itself, and lets `decide` continue only when all of them have arrived.
const PINGER = `
  const { workerData: { flag, port, count }, parentPort } = require('node:worker_threads');
  const receiver = require('node:dgram').createSocket('udp4');
  const senders = Array.from({ length: count }, () => require('node:dgram').createSocket('udp4'));
  let received = 0;
  receiver.on('message', () => {
    if (++received < count) return senders[received].send('x', port, '127.0.0.1');
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    receiver.close();
    for (const sender of senders) sender.close();
  });
  receiver.bind(port, '127.0.0.1', () => senders[0].send('x', port, '127.0.0.1'));
`;

scenario(
  import.meta.url,
  'decide blocks: packets pass without it, and its late answer has no effect',
  async () => {
    installRules(4);
    const count = 20;
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const waits: string[] = [];
    const queue = Queue.open({ ...options, deadlineMs: 1000 }, (batch, n) => {
      waits.push(Atomics.wait(flag, 0, 0, 30_000));
      batch.marks.fill(1, 0, n);
    });
    const worker = new Worker(PINGER, { eval: true, workerData: { flag, port: PORT, count } });
    await once(worker, 'exit');
    assert.equal(waits[0], 'ok');
    assert.deepEqual(marks(4), [count, 0, 0, 0]);
    const stats = queue.stats();
    assert.equal(stats.kernelDecided, count);
    assert.equal(stats.late, 1);
    await assertConsistent(queue);

    // When `decide` is quick again, it is asked again.
    await threePackets(queue);
    assert.deepEqual(marks(4), [count, 3, 0, 0]);
    await queue.close();
  },
);

scenario(import.meta.url, 'close from inside decide', async () => {
  installRules(4);
  let closed: Promise<void> | undefined;
  const queue: Queue = Queue.open(options, (batch, count) => {
    closed ??= queue.close();
    batch.marks.fill(1, 0, count);
  });
  const flows = await senders(4, 100);
  for (const sender of flows) sender.send();
  while (closed === undefined) await new Promise(setImmediate);
  await closed;
  // The queued packets got their answers, and no packet is lost.
  assert.equal(counter(4, 'passed'), 100);
  assert.equal(marks(4)[1], queue.stats().decisions);
  assert.ok(queue.stats().decisions >= 1);
  await assertConsistent(queue);
  for (const sender of flows) sender.close();
});

scenario(import.meta.url, 'closeNow from inside decide', async () => {
  installRules(4);
  let calls = 0;
  const queue: Queue = Queue.open(options, (batch, count) => {
    calls++;
    batch.marks.fill(1, 0, count);
    queue.closeNow();
  });
  const flows = await senders(4, 100);
  for (const sender of flows) sender.send();
  while (calls === 0) await new Promise(setImmediate);
  assert.equal(counter(4, 'passed'), 100);
  assert.equal(calls, 1);
  await assertConsistent(queue);
  await queue.close();
  for (const sender of flows) sender.close();
});

scenario(import.meta.url, 'a new queue can be opened from inside decide of another', async () => {
  installRules(4);
  let second: Queue | undefined;
  const first = Queue.open(options, (batch, count) => {
    second ??= Queue.open({ ...options, num: 1 }, always(2));
    batch.marks.fill(1, 0, count);
  });
  const receiver = await Receiver.open(4);
  const sender = await Sender.open(4);
  sender.send();
  await receiver.until(1);
  assert.deepEqual(marks(4), [0, 1, 0, 0]);
  sender.close();
  receiver.close();
  await Promise.all([first.close(), second!.close()]);
});
