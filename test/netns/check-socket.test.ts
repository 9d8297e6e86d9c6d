// The probe's socket: what it refuses, and that it leaves nothing behind, however it ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { CheckPath } from '#wanmark/wan/check/check.js';
import { DatagramProbe, ProbeError, tcpSocket } from '#wanmark/wan/probe-socket.js';
import { until } from './conntrack-harness.js';
import { scenario } from './queue-harness.js';

const MODULE = import.meta.resolve('#wanmark/wan/probe-socket.js');
const PATH: CheckPath = { wan: 'a', family: 4, mark: 0x1234, device: 'lo' };
const descriptors = () => readdirSync('/proc/self/fd').length;
const nothing = () => {};

scenario(import.meta.url, 'an impossible socket is refused with the name of the error', async () => {
  const before = descriptors();
  for (const [change, code, step] of [
    [{ device: 'nope0' }, 'ENODEV', 'device'],
    [{ device: 'a-name-that-is-too-long' }, 'ENODEV', 'device'],
    [{ source: '192.0.2.1' }, 'EADDRNOTAVAIL', 'source'],
    [{ source: '::1' }, 'EINVAL', 'address'],
  ] as const) {
    const path = { ...PATH, ...change };
    const refused = (error: unknown) =>
      error instanceof ProbeError && error.code === code && error.step === step;
    assert.throws(() => tcpSocket(path), refused, code);
    assert.throws(() => new DatagramProbe('udp', path, '127.0.0.1', 53, nothing), refused, code);
    assert.throws(() => new DatagramProbe('echo', path, '127.0.0.1', 0, nothing), refused, code);
  }
  for (const peer of ['::1', 'example.net', '']) {
    assert.throws(() => new DatagramProbe('udp', PATH, peer, 53, nothing), /address: EINVAL/);
  }
  const unroutable = { ...PATH, device: undefined };
  assert.throws(() => new DatagramProbe('udp', unroutable, '192.0.2.1', 53, nothing), /connect: ENETUNREACH/);
  assert.equal(descriptors(), before);
});

scenario(
  import.meta.url,
  'it reports an ICMP error once, and can be closed in its own callback or later',
  async () => {
    const probe = new DatagramProbe('udp', PATH, '127.0.0.1', 9, (error) => {
      assert.equal(error?.code, 'ECONNREFUSED');
      probe.close();
      probe.close();
    });
    probe.send(Buffer.from('x'));
    await until(() => {
      try {
        probe.send(Buffer.from('x'));
        return false;
      } catch (error) {
        return (error as ProbeError).code === 'EBADF';
      }
    });
  },
);

const WORKER = `
  const { workerData: { module, path }, parentPort } = require('node:worker_threads');
  import(module).then(({ DatagramProbe, tcpSocket }) => {
    for (const kind of ['udp', 'echo']) new DatagramProbe(kind, path, '127.0.0.1', 9, () => {});
    globalThis.socket = tcpSocket(path);
    new DatagramProbe('udp', path, '127.0.0.1', 9, () => {}).close();
    parentPort.postMessage('open');
  });
`;

scenario(
  import.meta.url,
  'it leaves no descriptor and does not crash when a worker is terminated, or at exit',
  async () => {
    const run = async () => {
      const worker = new Worker(WORKER, { eval: true, workerData: { module: MODULE, path: PATH } });
      await once(worker, 'message');
      await worker.terminate();
    };
    await run();
    const before = descriptors();
    for (let i = 0; i < 5; i++) await run();
    await until(() => descriptors() <= before);

    const head = `import { DatagramProbe } from ${JSON.stringify(MODULE)}; const path = ${JSON.stringify(PATH)};`;
    for (const [text, status] of [
      ["new DatagramProbe('echo', path, '127.0.0.1', 0, () => {}); process.exit(0)", 0],
      ["new DatagramProbe('udp', path, '127.0.0.1', 9, () => {}).close()", 0],
      [
        "new DatagramProbe('udp', path, '127.0.0.1', 9, () => { throw new Error('mine') }).send(Buffer.from('x'))",
        1,
      ],
    ] as const) {
      const child = spawnSync(process.execPath, ['--input-type=module', '-e', `${head}\n${text}`], {
        timeout: 60_000,
        encoding: 'utf8',
      });
      assert.equal(child.status, status, `${text}\n${child.stderr}`);
      if (status === 1) assert.match(child.stderr, /Error: mine/);
    }
  },
);
