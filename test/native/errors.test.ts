import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { addonTarget } from '#wanmark/native.js';
import { describeEvent, describeOpenError } from '#wanmark/queue/errors.js';
import type { NativeOpenError } from '#wanmark/queue/native.js';
import { parseQueueTable, readQueueTable } from '#wanmark/queue/proc.js';
import { MAIN } from '../helpers/main.js';
import { CHECKOUT } from '../helpers/tarball.js';

const { EPERM, EINVAL, EPROTONOSUPPORT, ENOMEM, EAGAIN } = constants.errno;

// The kernel prints a line as "%5u %6u %5u %1u %5u %5u %5u %8u %2d" (seq_show in nfnetlink_queue.c).
const TABLE =
  '    0  1234     3 2   128     5     7       42  1\n65535 4294966281     0 2 65531     0     0        0  1\n';

function openError(step: NativeOpenError['step'], errno: number): NativeOpenError {
  return Object.assign(new Error('native'), { step, errno });
}

describe('the error for a failed open', () => {
  const table = parseQueueTable(TABLE);
  const cases: [string, NativeOpenError, string, RegExp][] = [
    [
      'taken',
      openError('bind', EPERM),
      'QUEUE_TAKEN',
      /^queue 0 belongs to another program \(port id 1234\); /,
    ],
    [
      'not privileged',
      openError('privilege', EPERM),
      'QUEUE_NOT_PRIVILEGED',
      /^queue 0 needs CAP_NET_ADMIN: /,
    ],
    ['no subsystem', openError('bind', EINVAL), 'QUEUE_NO_KERNEL_SUPPORT', /"modprobe nfnetlink_queue"/],
    [
      'no protocol',
      openError('socket', EPROTONOSUPPORT),
      'QUEUE_NO_KERNEL_SUPPORT',
      /"modprobe nfnetlink_queue"/,
    ],
    ['no memory', openError('socket', ENOMEM), 'QUEUE_SYSTEM', /^queue 0 cannot be opened: socket: ENOMEM: /],
    ['no thread', openError('thread', EAGAIN), 'QUEUE_SYSTEM', /^queue 0 cannot be opened: thread: EAGAIN: /],
  ];
  for (const [name, native, code, message] of cases) {
    it(name, () => {
      const error = describeOpenError(0, native, false, table);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      assert.equal(error.cause, native);
      assert.equal(error.exitCode, 1);
    });
  }

  it('taken, and the table may not be read', () => {
    const { message } = describeOpenError(0, openError('bind', EPERM), false, undefined);
    assert.equal(message, 'queue 0 belongs to another program; stop it or choose another queue number');
  });
});

describe('the error for an event', () => {
  it('has the code of the event', () => {
    assert.equal(describeEvent(3, 'permission', EPERM).code, 'QUEUE_NOT_PRIVILEGED');
    assert.equal(describeEvent(3, 'gone', 0).code, 'QUEUE_GONE');
    assert.match(describeEvent(3, 'socket', ENOMEM).message, /^queue 3: ENOMEM: /);
    assert.equal(describeEvent(3, 'callback', null).cause, null);
  });
});

describe('the kernel’s table of queues', () => {
  it('is read', () => {
    assert.deepEqual(parseQueueTable(TABLE), [
      {
        num: 0,
        portId: 1234,
        waiting: 3,
        copyMode: 2,
        copyRange: 128,
        dropped: 5,
        userDropped: 7,
        sequence: 42,
      },
      {
        num: 65535,
        portId: 4294966281,
        waiting: 0,
        copyMode: 2,
        copyRange: 65531,
        dropped: 0,
        userDropped: 0,
        sequence: 0,
      },
    ]);
    assert.deepEqual(parseQueueTable(''), []);
    assert.deepEqual(parseQueueTable('what is this\n1 2 3\n'), []);
  });

  it('may be absent, and may be forbidden', () => {
    assert.deepEqual(readQueueTable('/proc/net/netfilter/no-such-file'), []);
    // This file can only be written, so even root gets EACCES.
    assert.equal(readQueueTable('/proc/sys/net/ipv4/route/flush'), undefined);
    assert.throws(() => readQueueTable('/'), { code: 'EISDIR' });
  });
});

describe('an addon that does not load', () => {
  const module = import.meta.resolve('#wanmark/native.js');
  const node = (args: string[], path: string) =>
    spawnSync(process.execPath, args, {
      env: { ...process.env, WANMARK_ADDON: path, WANMARK_RUN: '/no/such/folder' },
      encoding: 'utf8',
    });
  const load = (path: string) => {
    const text = `import(${JSON.stringify(module)}).then(({ loadAddon }) => loadAddon()).catch(
      ({ code, message }) => console.log(JSON.stringify({ code, message })))`;
    return JSON.parse(node(['-e', text], path).stdout);
  };

  it('is missing', () => {
    assert.deepEqual(load('/no/such/nfqueue.node'), {
      code: 'ADDON_MISSING',
      message:
        `the native part is not built for ${addonTarget()} (no /no/such/nfqueue.node); ` +
        `run "npm run build:native" in ${CHECKOUT}`,
    });
  });

  it('is broken', () => {
    const path = join(tmpdir(), `wanmark-broken-${process.pid}.node`);
    writeFileSync(path, 'not an ELF file');
    const { code, message } = load(path);
    rmSync(path);
    assert.equal(code, 'ADDON_BROKEN');
    assert.ok(message.startsWith(`cannot load ${path}: `), message);
    assert.doesNotMatch(message, /\n/);
  });

  it('was built of other sources, which ends what would change the machine, with one line', () => {
    const path = join(tmpdir(), `wanmark-old-${process.pid}.cjs`);
    // Without an option each of them is refused anyway, but for another reason.
    const said = (sources: string) => {
      writeFileSync(path, `module.exports = ${sources}`);
      return ['up', 'refresh', 'run'].map((verb) => {
        const { status, stdout, stderr } = node([MAIN, verb], path);
        assert.match(stderr, /^wanmark: .*\n$/);
        return `${status} ${stdout}${stderr.includes('was built of other sources than those in native')}`;
      });
    };
    try {
      assert.deepEqual(said('{}'), Array(3).fill('2 true'));
      assert.deepEqual(said("{ sources: '0123456789abcdef' }"), Array(3).fill('2 true'));
    } finally {
      rmSync(path);
    }
  });

  it('is not refused when it was just built', () => {
    const text = `import(${JSON.stringify(module)}).then(({ rejectOutdatedAddon }) => rejectOutdatedAddon())`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', text], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
});
