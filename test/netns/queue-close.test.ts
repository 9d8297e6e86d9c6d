// No packet is lost with full queues, or in any of the ways a queue can end.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { Queue } from '#wanmark/queue/queue.js';
import {
  always,
  assertConsistent,
  counter,
  installRules,
  MASK,
  marks,
  Receiver,
  Sender,
  scenario,
  senders,
} from './queue-harness.js';

const options = { num: 0, mask: MASK, deadlineMs: 10_000 };
const QUEUE_MODULE = import.meta.resolve('#wanmark/queue/queue.js');

scenario(import.meta.url, 'a full queue, fail-open: all packets pass, most without a mark', async () => {
  installRules(4);
  const queue = Queue.open({ ...options, maxLen: 4 }, always(1));
  const flows = await senders(4, 100);
  // All are sent in one tick, so that no packet is answered before all are sent.
  for (const sender of flows) sender.send();
  await queue.close();
  assert.equal(counter(4, 'sent'), 100);
  assert.equal(counter(4, 'passed'), 100);
  assert.equal(queue.stats().packets, 4);
  await assertConsistent(queue);
  for (const sender of flows) sender.close();
});

scenario(import.meta.url, 'a full queue, not fail-open: packets that do not fit are dropped', async () => {
  installRules(4);
  const queue = Queue.open({ ...options, maxLen: 4, failOpen: false }, always(1));
  const flows = await senders(4, 100);
  for (const sender of flows) sender.send();
  await queue.close();
  assert.equal(counter(4, 'sent'), 100);
  assert.deepEqual(marks(4), [0, 4, 0, 0]);
  for (const sender of flows) sender.close();
});

scenario(import.meta.url, 'a full socket, fail-open: all packets pass', async () => {
  installRules(4);
  const queue = Queue.open({ ...options, receiveBuffer: 8192 }, always(1));
  const flows = await senders(4, 300);
  for (const sender of flows) sender.send();
  await queue.close();
  assert.equal(counter(4, 'passed'), 300);
  assert.ok(queue.stats().packets < 300);
  await assertConsistent(queue);
  for (const sender of flows) sender.close();
});

// A thread that sends datagrams of many flows as fast as it can, until it is told to stop.
const FLOOD = `
  const { workerData: { flag, port }, parentPort } = require('node:worker_threads');
  const { createSocket } = require('node:dgram');
  const sockets = Array.from({ length: 200 }, () => createSocket('udp4'));
  let open = 0;
  for (const socket of sockets) {
    socket.on('error', () => {});
    socket.connect(port, '127.0.0.1', () => { if (++open === sockets.length) flood(); });
  }
  let sent = 0;
  function flood() {
    for (const socket of sockets) socket.send('x');
    sent += sockets.length;
    if (sent === 2000) parentPort.postMessage('flowing');
    if (Atomics.load(flag, 0) === 0) setImmediate(flood);
    else for (const socket of sockets) socket.close();
  }
`;

scenario(import.meta.url, 'opening and closing under load: nothing is lost', async () => {
  installRules(4);
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(FLOOD, { eval: true, workerData: { flag, port: 5000 } });
  await once(worker, 'message');
  let packets = 0;
  for (let round = 0; round < 20; round++) {
    let asked = () => {};
    const called = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const queue = Queue.open({ ...options, cacheMs: 0 }, (batch, count) => {
      always(1)(batch, count);
      asked();
    });
    await called;
    await (round % 2 ? queue.close() : queue.closeNow());
    await assertConsistent(queue);
    packets += queue.stats().packets;
  }
  Atomics.store(flag, 0, 1);
  await once(worker, 'exit');
  assert.ok(packets >= 20);
  assert.equal(counter(4, 'passed'), counter(4, 'sent'));
});

scenario(import.meta.url, 'close decides queued packets, may be repeated, and frees the number', async () => {
  installRules(4);
  const queue = Queue.open(options, always(2));
  const flows = await senders(4, 10);
  for (const sender of flows) sender.send();
  const closed = queue.close();
  assert.equal(queue.close(), closed);
  await closed;
  assert.equal(queue.close(), closed);
  queue.closeNow();
  queue.ref();
  queue.unref();
  assert.equal(queue.forget(2), 0);
  // The first packet may have overtaken the close; all others were still queued.
  assert.deepEqual(marks(4), [0, 0, 10, 0]);
  assert.equal(queue.stats().decisions, 10);

  const again = Queue.open(options, always(3));
  const fresh = await Sender.open(4);
  fresh.send();
  await again.close();
  assert.deepEqual(marks(4), [0, 0, 10, 1]);
  again.closeNow();
  for (const sender of [...flows, fresh]) sender.close();
});

scenario(import.meta.url, 'closeNow leaves queued packets to the kernel', async () => {
  installRules(4);
  const queue = Queue.open(options, () => assert.fail('decide is not called'));
  const flows = await senders(4, 10);
  for (const sender of flows) sender.send();
  queue.closeNow();
  assert.deepEqual(marks(4), [10, 0, 0, 0]);
  await queue.close();
  for (const sender of flows) sender.close();
});

/** The arguments with which node runs a program that can use `Queue` and `options`. */
function program(text: string): string[] {
  const head = `import { Queue } from ${JSON.stringify(QUEUE_MODULE)};
    const options = ${JSON.stringify(options)};`;
  return ['--input-type=module', '-e', `${head}\n${text}`];
}

scenario(import.meta.url, 'a process ends: by itself after close, unref’ed, and by exit', async () => {
  const run = (text: string) =>
    spawnSync(process.execPath, program(text), { timeout: 120_000, encoding: 'utf8' });
  for (const text of [
    'await Queue.open(options, () => {}).close(); console.log("end")',
    'const q = Queue.open(options, () => {}); q.unref(); await q.close(); console.log("end")',
    'Queue.open(options, () => {}).unref(); console.log("end")',
    'const q = Queue.open(options, () => {}); q.unref(); q.ref(); q.closeNow(); console.log("end")',
    'Queue.open(options, () => {}); console.log("end"); process.exit(0)',
  ]) {
    const { status, stdout, stderr } = run(text);
    assert.equal(status, 0, `${text}\n${stderr}`);
    assert.equal(stdout, 'end\n');
  }
  // An open queue keeps the process running, so this one has to be killed.
  const child = spawn(process.execPath, program('Queue.open(options, () => {}); console.log("open")'));
  await once(child.stdout, 'data');
  assert.equal(child.exitCode, null);
  child.kill();
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGTERM']);
});

for (const [name, code, end] of [
  ['process.exit()', 0, 'process.exit(0)'],
  ['an uncaught exception', 1, 'throw new Error("boom")'],
] as const) {
  scenario(import.meta.url, `${name} from inside decide: nothing is lost`, async () => {
    installRules(4);
    const text = `Queue.open(options, () => { ${end} }); console.log("open")`;
    const child = spawn(process.execPath, program(text));
    await once(child.stdout, 'data');
    const flows = await senders(4, 50);
    for (const sender of flows) sender.send();
    const [status] = await once(child, 'exit');
    assert.equal(status, code);
    assert.equal(counter(4, 'passed'), 50);
    for (const sender of flows) sender.close();
  });
}

// A worker with a queue, whose `decide` gets its body as text and may post messages to the main thread.
const WORKER = `
  const { workerData: { module, options, body }, parentPort } = require('node:worker_threads');
  const decide = new Function('batch', 'count', 'parentPort', body);
  import(module).then(({ Queue }) => {
    const queue = Queue.open(options, (batch, count) => decide(batch, count, parentPort));
    parentPort.on('message', async () => {
      await queue.close();
      parentPort.close();
    });
    parentPort.postMessage('open');
  });
`;

async function queueInWorker(body: string): Promise<Worker> {
  const workerData = { module: QUEUE_MODULE, options, body };
  const worker = new Worker(WORKER, { eval: true, workerData });
  await once(worker, 'message');
  return worker;
}

scenario(import.meta.url, 'worker threads: two queues, packets, close', async () => {
  installRules(4);
  const own = Queue.open({ ...options, num: 1 }, always(1));
  const worker = await queueInWorker('batch.marks.fill(2, 0, count)');
  const receiver = await Receiver.open(4);
  const sender = await Sender.open(4);
  sender.send();
  await receiver.until(1);
  assert.deepEqual(marks(4), [0, 0, 1, 0]);
  worker.postMessage('close');
  await once(worker, 'exit');
  await own.close();
  sender.close();
  receiver.close();
});

for (const [name, decide] of [
  ['idle', ''],
  ['answering', 'batch.marks.fill(1, 0, count); parentPort.postMessage(count)'],
  ['in an endless loop', 'parentPort.postMessage(count); for (;;);'],
] as const) {
  scenario(import.meta.url, `a worker is terminated, ${name}: nothing is lost`, async () => {
    installRules(4);
    const worker = await queueInWorker(decide);
    const flows = await senders(4, 100);
    if (decide) {
      const asked = once(worker, 'message');
      for (const sender of flows) sender.send();
      await asked;
    }
    await worker.terminate();
    assert.equal(counter(4, 'passed'), decide ? 100 : 0);
    // The queue number is free again.
    await Queue.open(options, always(1)).close();
    for (const sender of flows) sender.close();
  });
}

scenario(import.meta.url, 'a thousand opens and closes leave no descriptor or memory', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const cycle = async (times: number) => {
    for (let i = 0; i < times; i++) await Queue.open(options, always(1)).close();
    gc();
    // Finalizers of array buffers run in a later immediate.
    await new Promise(setImmediate);
    return {
      descriptors: readdirSync('/proc/self/fd').length,
      threads: readdirSync('/proc/self/task').length,
      rss: process.memoryUsage.rss(),
    };
  };
  const before = await cycle(500);
  const after = await cycle(1000);
  assert.equal(after.descriptors, before.descriptors);
  assert.equal(after.threads, before.threads);
  // A leaked queue would keep its receive buffers of 64 KiB; the heap of JS grows by a few MiB at first.
  assert.ok(after.rss - before.rss < 16 << 20, `${(after.rss - before.rss) >> 10} KiB more`);
});

scenario(import.meta.url, 'the garbage collector collects a closed queue, and not an open one', async () => {
  installRules(4);
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const collect = async () => {
    for (let i = 0; i < 5; i++) {
      gc();
      await new Promise(setImmediate);
    }
  };
  const receiver = await Receiver.open(4);
  const sender = await Sender.open(4);

  let decided = 0;
  let finished = () => {};
  const done = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const reference = (() => {
    const queue = Queue.open(options, (batch, count) => {
      always(1)(batch, count);
      if (++decided === 1) queue.close().then(finished);
    });
    return new WeakRef(queue);
  })();
  await collect();
  assert.equal(decided, 0);
  sender.send();
  await done;
  assert.deepEqual(marks(4), [0, 1, 0, 0]);
  await collect();
  assert.equal(reference.deref(), undefined);
  sender.close();
  receiver.close();
});
