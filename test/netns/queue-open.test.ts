// An open that fails is one line that says why.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readQueueTable } from '#wanmark/queue/proc.js';
import { Queue } from '#wanmark/queue/queue.js';
import { root } from '../helpers/requires.js';
import { always, installRules, MASK, Sender, scenario } from './queue-harness.js';

const options = { num: 0, mask: MASK };
const QUEUE_MODULE = import.meta.resolve('#wanmark/queue/queue.js');

const OPEN = `
  const { Queue } = await import(${JSON.stringify(QUEUE_MODULE)});
  try {
    Queue.open(${JSON.stringify(options)}, () => {});
    console.log('open');
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, exitCode: error.exitCode, message: error.message }));
    process.exit(0);
  }
`;

/** Opens queue 0 in a process that is started through the command `prefix`. */
function openThrough(...prefix: string[]): { code?: string; exitCode?: number; message?: string } {
  const [command, ...argv] = [...prefix, process.execPath, '--input-type=module', '-e', OPEN];
  const { stdout, stderr } = spawnSync(command!, argv, { encoding: 'utf8', timeout: 120_000 });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

scenario(import.meta.url, 'the queue belongs to another program', async () => {
  const holder = spawn(process.execPath, ['--input-type=module', '-e', OPEN]);
  await once(holder.stdout, 'data');
  const portId = readQueueTable()?.find(({ num }) => num === 0)?.portId;
  const port = portId === undefined ? '' : ` (port id ${portId})`;
  assert.throws(() => Queue.open(options, always(1)), {
    name: 'QueueError',
    code: 'QUEUE_TAKEN',
    message: `queue 0 belongs to another program${port}; stop it or choose another queue number`,
    exitCode: 1,
  });
  holder.kill();
  await once(holder, 'exit');
  await Queue.open(options, always(1)).close();
});

scenario(import.meta.url, 'the queue is open in this process', async () => {
  const first = Queue.open(options, always(1));
  assert.throws(() => Queue.open(options, always(1)), {
    code: 'QUEUE_TAKEN',
    message: 'queue 0 is open already in this process; close it first',
  });
  const other = Queue.open({ ...options, num: 65535 }, always(1));
  await Promise.all([first.close(), other.close()]);
  await Queue.open(options, always(1)).close();
});

scenario(import.meta.url, 'not privileged', async () => {
  const expected = {
    code: 'QUEUE_NOT_PRIVILEGED',
    exitCode: 1,
    message:
      'queue 0 needs CAP_NET_ADMIN: run as root or with that capability (systemd: AmbientCapabilities=CAP_NET_ADMIN)',
  };
  assert.deepEqual(openThrough('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'), expected);
  // This process has all capabilities, but in a user namespace that does not own this network namespace.
  assert.deepEqual(openThrough('unshare', '--user', '--map-root-user'), expected);
  // The error is the same when the queue is taken as well.
  const queue = Queue.open(options, always(1));
  assert.deepEqual(openThrough('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'), expected);
  await queue.close();
});

scenario(
  import.meta.url,
  'the kernel’s own table: who holds it, how many wait, how many were dropped',
  async () => {
    installRules(4);
    const queue = Queue.open({ ...options, maxLen: 2, deadlineMs: 10_000, failOpen: false }, always(1));
    assert.deepEqual(
      readQueueTable()?.map(({ portId, ...entry }) => entry),
      [{ num: 0, waiting: 0, copyMode: 2, copyRange: 128, dropped: 0, userDropped: 0, sequence: 0 }],
    );
    const sender = await Sender.open(4);
    for (let i = 0; i < 5; i++) sender.send();
    const [entry] = readQueueTable()!;
    assert.equal(entry?.waiting, 2);
    assert.equal(entry?.dropped, 3);
    assert.equal(entry?.sequence, 2);
    await queue.close();
    assert.deepEqual(readQueueTable(), []);
    sender.close();
  },
  root,
);

scenario(import.meta.url, 'options out of range', async () => {
  for (const wrong of [
    { num: -1 },
    { num: 65536 },
    { num: 0.5 },
    { mask: 0 },
    { mask: 2 ** 32 },
    { maxLen: 0 },
    { maxLen: 65537 },
    { deadlineMs: 0 },
    { cacheMs: -1 },
    { receiveBuffer: 0 },
    { num: Number.NaN },
    { verdict: 'drop' as 'accept' },
  ]) {
    const [name] = Object.keys(wrong);
    assert.throws(() => Queue.open({ ...options, ...wrong }, always(1)), {
      name: 'RangeError',
      message: new RegExp(`^Expected the "${name}" option to be `),
    });
  }
  const queue = Queue.open({ num: 65535, mask: 0xffffffff, maxLen: 65536, cacheMs: 0 }, always(1));
  assert.ok(queue.stats().receiveBuffer > 0);
  await queue.close();
});
