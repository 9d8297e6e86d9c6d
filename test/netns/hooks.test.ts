import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Lab } from '#wanmark/lab/lab.js';
import type { Daemon } from '#wanmark/lab/wanmark.js';
import { CommandLines } from '../helpers/command-lines.js';
import { withLab } from '../helpers/lab.js';
import { markOf } from '../helpers/marks.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';
import { stateLines, waitForState } from '../helpers/uplinks.js';

const IPTABLES = process.env.IPTABLES ?? 'iptables';
const EXAMPLE = fileURLToPath(new URL('../../examples/hook-notify.sh', import.meta.url));

/** A call of a hook, as recorded by the hook. */
interface Call {
  readonly environment: Readonly<Record<string, string>>;
  readonly input: {
    readonly wan: string;
    readonly state: string;
    readonly since: string;
    readonly wans: readonly { readonly name: string; readonly family: number; readonly state: string }[];
    readonly [key: string]: unknown;
  };
}

const device = (lab: Lab, dev: string, up: boolean) =>
  lab.router.sh(`ip link set ${dev} ${up ? 'up' : 'down'}`);

/** The log's lines about hooks. */
function hookLines(daemon: Daemon): Record<string, unknown>[] {
  const lines = daemon.program.lines.filter((line) => line.includes('"msg":"a hook '));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('--hook', needs(nfqueue, addon), () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-hooks-'));
    chmodSync(dir, 0o755);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** A hook that records its calls and then runs more shell commands. */
  function recorder(name: string, more = '') {
    const file = join(dir, name);
    const text = `#!/bin/sh
      environment=$(env | tr '\\n' '\\t')
      printf '%s\\t%s\\n' "$environment" "$(cat)" >>"$0.calls"
      ${more}\n`;
    writeFileSync(file, text, { mode: 0o755 });
    const calls = (): Call[] => {
      if (!existsSync(`${file}.calls`)) return [];
      const whole = readFileSync(`${file}.calls`, 'utf8').split('\n').slice(0, -1);
      return whole.map((line) => {
        const words = line.split('\t');
        const input = JSON.parse(words.pop()!) as Call['input'];
        const pairs = words.map((word) => [
          word.slice(0, word.indexOf('=')),
          word.slice(1 + word.indexOf('=')),
        ]);
        return { environment: Object.fromEntries(pairs), input };
      });
    };
    const called = () =>
      calls().map(({ environment: { ACTION, INTERFACE, WANMARK_FAMILY } }) =>
        [ACTION, INTERFACE, WANMARK_FAMILY].join(' '),
      );
    const until = (count: number) =>
      eventually(
        async () => called(),
        (all) => all.length >= count,
        `${count} calls of ${name}`,
      );
    return { file, calls, called, until };
  }

  it('is run when a WAN dies and when it is back, in each family, with mwan3’s variables and more', async () => {
    const first = recorder('first', `${IPTABLES} -t nat -S WANMARK_KERNEL >"$0.rules"; exit 3`);
    const second = recorder('second');
    const run = ['--hook', first.file, '--hook', second.file];
    await withLab({ wans: 3, up: [], run }, async ({ lab, daemon }) => {
      await device(lab, 'wan2', false);
      await second.until(2);
      assert.deepEqual(second.called(), ['disconnected wan2 4', 'disconnected wan2 6']);
      // When the hook ran, the kernel already avoided the WAN.
      const rules = readFileSync(`${first.file}.rules`, 'utf8');
      assert.match(rules, new RegExp(`--set-xmark ${markOf(3)}`));
      assert.doesNotMatch(rules, new RegExp(`--set-xmark ${markOf(2)}`));
      const { environment, input } = second.calls()[1]!;
      assert.equal(environment.DEVICE, 'wan2');
      assert.equal(environment.WANMARK_REASON, 'device wan2 is switched off');
      assert.match(environment.PATH!, /\/usr\/sbin/);
      const { wan, dev, family, state, reason, since, lasted, wans } = input;
      assert.deepEqual(
        { wan, dev, family, state, reason },
        {
          ...{ wan: 'wan2', dev: 'wan2', family: 6, state: 'down' },
          reason: 'device wan2 is switched off',
        },
      );
      const line = await waitForState(daemon, 'wan down', 'wan2', 6);
      assert.ok(Math.abs(Date.parse(since) - Date.parse(line.since)) < 1000);
      assert.equal(typeof lasted, 'number');
      assert.deepEqual(
        wans.map((one) => [one.name, one.family, one.state].join(' ')),
        ['wan1 4 up', 'wan1 6 up', 'wan2 4 down', 'wan2 6 down', 'wan3 4 up', 'wan3 6 up'],
      );

      await device(lab, 'wan2', true);
      await eventually(
        async () => second.called(),
        (all) => all.includes('connected wan2 4'),
        'the WAN is back',
      );
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      // Hooks run for changes only, and the failure of the first hook does not keep the second from running.
      assert.ok(second.calls().every((call) => call.input.wan === 'wan2'));
      await eventually(
        async () => hookLines(daemon).length,
        (count) => count >= first.calls().length,
        'each failure is logged',
      );
      const said = hookLines(daemon)[0]!;
      assert.deepEqual(
        [said.msg, said.hook, said.wan, said.level],
        ['a hook failed with exit code 3', first.file, 'wan2', 40],
      );
    });
  });

  it('is run at the start for WANs that are down, and for no other', async () => {
    const hook = recorder('start');
    await withLab({ wans: 3, ipv6: false, up: [] }, async ({ lab, wanmark }) => {
      await device(lab, 'wan3', false);
      const daemon = await wanmark.run('--hook', hook.file);
      await hook.until(1);
      await device(lab, 'wan1', false);
      await hook.until(2);
      assert.deepEqual(hook.called(), ['disconnected wan3 4', 'disconnected wan1 4']);

      chmodSync(hook.file, 0o757);
      await device(lab, 'wan2', false);
      await daemon.program.waitForLine(
        /"msg":"a hook was not run, since others can write \S+start \(mode 0757\)"/,
      );
      assert.equal(hook.called().length, 2);
      await daemon.stop();
    });
  });

  it('that hangs delays nothing: not its own WAN, not the others, not their hooks, not the end', async () => {
    const hook = recorder('hangs', '[ "$INTERFACE" != wan2 ] || { sleep 99999 & echo $! >"$0.pid"; wait; }');
    const run = ['--hook', hook.file, '--hook-timeout', '300'];
    await withLab({ wans: 3, ipv6: false, up: [], run }, async ({ lab, daemon }) => {
      await device(lab, 'wan2', false);
      const pid = await eventually(
        async () => (existsSync(`${hook.file}.pid`) ? readFileSync(`${hook.file}.pid`, 'utf8').trim() : ''),
        (text) => text !== '',
        'the hook hangs',
      );
      assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan1: 4, wan3: 4 });
      await device(lab, 'wan2', true);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await device(lab, 'wan3', false);
      await hook.until(2);
      assert.deepEqual(tally(await lab.connect({ count: 8 })), { wan1: 4, wan2: 4 });
      assert.deepEqual(hook.called(), ['disconnected wan2 4', 'disconnected wan3 4']);
      await lab.router.exec(['kill', '-0', pid]);
      assert.deepEqual(hookLines(daemon), []);
      const began = performance.now();
      await daemon.stop();
      // The end takes two seconds of grace, more on a busy machine, but not the hook's time limit.
      assert.ok(performance.now() - began < 60_000);
      assert.equal(hookLines(daemon).at(-1)!.msg, 'a hook was killed: the daemon ends');
      await gone(lab, pid);
    });
  });

  it('that hangs is killed at its limit with what it started, and the next call has the latest state', async () => {
    const more = '[ "$ACTION" = connected ] || { sleep 99999 & echo $! >"$0.pid"; wait; }';
    const hook = recorder('limit', more);
    const run = ['--hook', hook.file, '--hook-timeout', '3'];
    await withLab({ wans: 2, ipv6: false, up: [], run }, async ({ lab, daemon }) => {
      await device(lab, 'wan2', false);
      await hook.until(1);
      await device(lab, 'wan2', true);
      await waitForState(daemon, 'wan up', 'wan2');
      await hook.until(2);
      assert.deepEqual(hook.called(), ['disconnected wan2 4', 'connected wan2 4']);
      await daemon.program.waitForLine(/"msg":"a hook was killed after 3 s, its time limit"/);
      await gone(lab, readFileSync(`${hook.file}.pid`, 'utf8').trim());
      assert.equal(hookLines(daemon).length, 1);
      assert.ok(stateLines(daemon).every(({ wan }) => wan === 'wan2'));
    });
  });

  it('is refused at the start when it cannot be run, or others can write it, like every file that is run', async () => {
    const plain = join(dir, 'plain');
    writeFileSync(plain, '#!/bin/sh\n', { mode: 0o644 });
    const open = join(dir, 'open.js');
    writeFileSync(open, '#!/bin/sh\n');
    chmodSync(open, 0o757);
    const why = `others can write ${open} (mode 0757); chmod go-w ${open}`;
    await withLab({ wans: 1, ipv6: false }, async ({ lab }) => {
      const commandLines = CommandLines.on(lab.router);
      for (const [option, value, complaint] of [
        ['--hook', plain, `--hook ${plain} is not executable; chmod +x ${plain}`],
        ['--hook', join(dir, 'gone'), `--hook ${join(dir, 'gone')} does not exist; correct the path`],
        ['--hook', 'plain', /^hook "plain" must be an absolute path;/],
        ['--hook', open, `--hook ${open} is refused, since ${why}`],
        ['--check', `all=script,to=${open}`, `check of "all": script ${open} is refused, since ${why}`],
        ['--strategy', open, `strategy file ${open} is refused, since ${why}`],
      ] as const) {
        const args = ['run', '--wan', 'wan1,dev=wan1,via=198.51.100.1', option, value];
        const { status, stdout, stderr } = await commandLines.run(...args);
        assert.deepEqual([status, stdout], [2, '']);
        const [line, ...rest] = stderr.split('\n');
        assert.deepEqual(rest, ['']);
        const said = line!.replace('wanmark: ', '');
        if (typeof complaint === 'string') assert.equal(said, complaint);
        else assert.match(said, complaint);
      }
    });
  });

  it('of the examples writes to the system log', needs(program('logger')), async () => {
    await withLab({ wans: 2, ipv6: false, up: [] }, async ({ lab, wanmark }) => {
      // A /dev of our own, where our program is the system log.
      await lab.sandbox.exec(['sh', '-e'], {
        input: `mkdir /run/dev; mount --rbind /dev /run/dev; mount -t tmpfs dev /dev
          for f in null zero full random urandom; do : >/dev/$f; mount --bind /run/dev/$f /dev/$f; done
          ln -s /proc/self/fd /dev/fd`,
      });
      const syslog = lab.router.spawn([process.execPath, '-e', SYSLOG]);
      await syslog.waitForLine(/^ready$/);
      const daemon = await wanmark.run('--hook', EXAMPLE);
      await device(lab, 'wan2', false);
      // The number is facility daemon (3) with severity warning (4) or notice (5), by RFC 3164.
      await syslog.waitForLine(
        /^<28>.*wanmark: wan2 \(wan2\) IPv4 disconnected: device wan2 is switched off/,
      );
      await device(lab, 'wan2', true);
      await syslog.waitForLine(/^<29>.*wanmark: wan2 \(wan2\) IPv4 connected: device wan2 is up/);
      await daemon.stop();
      assert.deepEqual(hookLines(daemon), []);
    });
  });
});

/** A system log of streams, which logger(1) uses where nobody listens for datagrams. */
const SYSLOG = `require('node:net').createServer((from) => {
  let text = '';
  from.setEncoding('utf8').on('data', (more) => { text += more; }).on('end', () => console.log(text));
}).listen('/dev/log', () => console.log('ready'));`;

async function gone(lab: Lab, pid: string): Promise<void> {
  assert.match(pid, /^\d+$/);
  await eventually(
    () => lab.router.exec(['sh', '-c', `grep -qs '^State:.[^ZX]' /proc/${pid}/status`], { okCodes: 'any' }),
    ({ code }) => code !== 0,
    'what the hook started is gone',
  );
}
