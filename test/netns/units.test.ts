/** What the systemd units allow is what the commands need: nothing more, and nothing less. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Sandbox } from '#wanmark/lab/sandbox.js';
import { MAIN } from '../helpers/main.js';
import { addon, needs, nfqueue, program, root } from '../helpers/requires.js';

const FOLDER = fileURLToPath(new URL('../../scripts/systemd/', import.meta.url));
/** All, and those that carry the rules. */
const UNITS = readdirSync(FOLDER).filter((name) => name.endsWith('.service'));
const RULED = UNITS.filter((name) => name !== 'wanmark-web.service');
/** A user that no machine has by name, in the place of `wanmark`. */
const USER = 64_901;
const WANS = [1, 2].flatMap((k) => ['--wan', `wan${k},dev=w${k},via=192.0.${k}.1`]);

function setting(unit: string, name: string): string {
  const text = readFileSync(FOLDER + unit, 'utf8');
  const values = [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value!);
  assert.equal(values.length, 1, `${unit} has one ${name}`);
  return values[0]!;
}

/** The words before a command that give it the user and the capabilities of a unit. */
function limits(unit: string): string[] {
  const capabilities = setting(unit, 'CapabilityBoundingSet')
    .toLowerCase()
    .replaceAll('cap_', '+')
    .split(' ');
  const sets = ['--bounding-set', '--inh-caps', '--ambient-caps'].map((set) =>
    [`${set}=-all`, ...capabilities].join(','),
  );
  const user = ['--reuid', String(USER), '--regid', String(USER), '--clear-groups', '--no-new-privs'];
  const umask = ['sh', '-c', `umask ${setting(unit, 'UMask')} && exec "$@"`, 'sh'];
  return ['setpriv', ...user, ...sets, ...umask, process.execPath, MAIN];
}

describe('the systemd units', () => {
  it('have an exposure of 2.5 at most', needs(program('systemd-analyze')), () => {
    for (const unit of UNITS) {
      const argv = ['security', '--offline=yes', '--no-pager', '--threshold=25', FOLDER + unit];
      execFileSync('systemd-analyze', argv, { stdio: 'pipe' });
    }
  });

  it('go on trying for ever, and share a user who owns the state', () => {
    for (const unit of UNITS) assert.equal(setting(unit, 'StartLimitIntervalSec'), '0');
    for (const unit of RULED) {
      assert.equal(setting(unit, 'User'), 'wanmark');
      assert.equal(setting(unit, 'RuntimeDirectory'), 'wanmark');
      assert.equal(setting(unit, 'AmbientCapabilities'), setting(unit, 'CapabilityBoundingSet'));
    }
    assert.match(readFileSync(`${FOLDER}wanmark.sysusers.conf`, 'utf8'), /^u wanmark - /m);
  });

  it('have the page shown by nobody in particular, who may use the socket', () => {
    const web = (name: string) => setting('wanmark-web.service', name);
    assert.deepEqual(
      [web('DynamicUser'), web('SupplementaryGroups')],
      ['yes', setting('wanmark.service', 'Group')],
    );
    assert.equal(web('CapabilityBoundingSet'), '');
  });

  it('allow all that up, run, repair, set and down do', needs(root, nfqueue, addon), async () => {
    const sandbox = await Sandbox.start();
    const sh = (script: string) => sandbox.exec(['sh', '-ec', script]);
    const rules = limits('wanmark-rules.service');
    const unit = limits('wanmark.service');
    try {
      await sh(`
        mount -t proc -o hidepid=2 proc /proc
        mkdir /run/wanmark && chown ${USER}:${USER} /run/wanmark
        for k in 1 2; do
          ip link add w$k type veth peer name g$k; ip addr add 192.0.$k.2/24 dev w$k
          ip link set w$k up; ip link set g$k up
          echo 1 > /proc/sys/net/ipv4/conf/w$k/rp_filter
        done`);
      const look = `iptables-save | grep -v '^#' || :; ip rule; cat /proc/sys/net/ipv4/conf/w1/src_valid_mark`;
      const before = await sh(look);
      const daemon = sandbox.spawn([...unit, 'run', '--up', ...WANS]);
      await daemon.waitForLine((line) => line.includes('"msg":"started"'));
      assert.equal((await sh('cat /proc/sys/net/ipv4/conf/w1/src_valid_mark')).stdout, '1\n');

      await sandbox.exec([...rules, 'set', 'wan1', 'weight=5']);
      await sandbox.exec([...unit, 'reload']);
      const stranger = ['setpriv', '--reuid', String(USER + 1), '--regid', String(USER), '--clear-groups'];
      const refused = await sandbox.exec([...stranger, process.execPath, MAIN, 'reload'], { okCodes: [2] });
      assert.match(refused.stderr, /only root and the daemon's own user may reload it/);
      await sandbox.exec([...rules, 'up', ...WANS]);
      const group = ['--regid', String(USER + 1), '--groups', String(USER)];
      const nobody = [
        'setpriv',
        '--reuid',
        String(USER + 1),
        ...group,
        '--bounding-set=-all',
        '--no-new-privs',
      ];
      const web = sandbox.spawn([...nobody, process.execPath, MAIN, 'web']);
      const url = await web.waitForLine(/^http:/);
      const FETCH = 'fetch(process.argv[1] + "metrics").then((a) => a.text()).then(console.log)';
      const { stdout: metrics } = await sandbox.exec([process.execPath, '-e', FETCH, url]);
      assert.match(metrics, /^wanmark_daemon_up 1$/m);
      assert.match(metrics, /^wanmark_wan_weight\{wan="wan1"\} 5$/m);
      await web.kill('SIGTERM');
      assert.deepEqual(await web.exited, { code: 0, signal: null });
      await sh('iptables -t mangle -F WANMARK');
      await daemon.waitForLine((line) => line.includes('have been put back'));
      await sh('ip link set w2 down');
      await daemon.waitForLine((line) => line.includes('"msg":"wan down"'));
      assert.deepEqual(
        daemon.lines.filter((line) => /"level":[56]0/.test(line)),
        [],
      );

      // Root by hand leaves nothing that the units' user cannot write.
      await sandbox.exec([process.execPath, MAIN, 'refresh']);
      await sandbox.exec([process.execPath, MAIN, 'check']);
      assert.equal((await sh(`find /run/wanmark ! -user ${USER}`)).stdout, '');

      await daemon.kill('SIGTERM');
      assert.deepEqual(await daemon.exited, { code: 0, signal: null });
      await sandbox.exec([...rules, 'down']);
      assert.deepEqual(await sh(look), before);
    } finally {
      await sandbox.stop();
    }
  });
});
