/** The Debian package on a router with systemd: installed, upgraded under load, removed, purged. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { assertUnharmed, byWan, feasibleRate, SteadyLoad } from '../helpers/load.js';
import { addon, debian, needs, nfqueue, systemd } from '../helpers/requires.js';
import { Systemd } from '../helpers/systemd.js';
import { CHECKOUT } from '../helpers/tarball.js';
import { tally } from '../helpers/traffic.js';

/** New connections a second, on a machine that is fast enough. */
const RATE = 2000;
const CONFFILE = '/etc/wanmark/wanmark.yaml';
/** What would be left of rules, routes and settings. */
const OURS = `{ iptables-save; ip6tables-save; } | grep -i wanmark || :
  { ip rule; ip -6 rule; } | grep -v 'from all lookup [a-z]*$' || :; ip route show table all proto 119`;

const folder = mkdtempSync(join(tmpdir(), 'wanmark-debian-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Builds the package. Nothing is compressed, since that takes most of the time. */
function build(): string {
  const argv = [join(CHECKOUT, 'packaging/debian/build.sh'), folder];
  const env = { ...process.env, DEB_COMPRESSION: 'none' };
  return execFileSync('sh', argv, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
}

/** The same package with the next revision. */
function nextRevision(path: string): string {
  const tree = join(folder, 'tree');
  execFileSync('dpkg-deb', ['-R', path, tree]);
  const control = join(tree, 'DEBIAN/control');
  const text = readFileSync(control, 'utf8');
  assert.match(text, /^Version: .*-1$/m);
  writeFileSync(control, text.replace(/^(Version: .*)-1$/m, '$1-2'));
  const next = join(folder, 'next.deb');
  execFileSync('dpkg-deb', ['--root-owner-group', '-Z', 'none', '-b', tree, next], { stdio: 'ignore' });
  return next;
}

describe('the Debian package', needs(systemd, nfqueue, addon, debian), () => {
  it('starts nothing, costs no connection when upgraded, takes the rules along, and leaves nothing', async (t) => {
    const first = build();
    const second = nextRevision(first);
    chmodSync(folder, 0o755);
    await withLab({ wans: 2, ipv6: false, clientAddresses: 8 }, async ({ lab }) => {
      const router = await Systemd.boot({ lab, shared: [folder] });
      try {
        const users = () => router.sh('cat /etc/passwd /etc/group /etc/shadow /etc/gshadow');
        const files = () => router.sh("find /etc /usr /var /run -xdev -name '*wanmark*' | sort");
        const before = [await users(), await files()];

        await router.sh(`dpkg -i ${first}`);
        assert.match(await router.sh('wanmark --version'), /^\d+\.\d+\.\d+/);
        assert.match(await router.sh('getent passwd wanmark'), /:\/usr\/sbin\/nologin$/m);
        const states =
          'systemctl is-enabled wanmark wanmark-rules wanmark-web || :; systemctl is-active wanmark || :';
        assert.equal(await router.sh(states), 'disabled\ndisabled\ndisabled\ninactive\n');
        assert.equal(await router.sh(OURS), '');
        const example = await router.sh(`wanmark print --config ${CONFFILE} 2>&1 || echo $?`);
        assert.match(example, /^wanmark: [^\n]*no WAN given[^\n]*\n2\n$/);
        await router.sh(
          `sed -n '/^#wan:/,/^#$/s/^#//p' ${CONFFILE} >/tmp/e && wanmark print --config /tmp/e`,
        );

        const wans = lab.wans.map(
          ({ name, dev, via }) => `  - { name: ${name}, dev: ${dev}, via: ${via} }\n`,
        );
        await router.sh(
          `cat >${CONFFILE} <<'END'\nwan:\n${wans.join('')}END\nsystemctl enable --now wanmark`,
        );
        assert.deepEqual(tally(await lab.connect({ count: 20 })), { wan1: 10, wan2: 10 });

        const rate = await feasibleRate(lab, RATE);
        const load = await SteadyLoad.start(lab, rate);
        await load.more(rate);
        const main = () => router.sh('systemctl show --value -p MainPID wanmark');
        const old = await main();
        await router.sh(`dpkg -i ${second}`);
        assert.match(
          await router.sh('dpkg-query -s wanmark'),
          /^Status: install ok installed$[\s\S]*^Version: .*-2$/m,
        );
        assert.equal(await router.sh('systemctl is-active wanmark'), 'active\n');
        assert.notEqual(await main(), old, 'a new daemon');
        await load.more(rate);

        // Rules without a daemon stay in force, too.
        await router.sh(`sed -i '1iengine: kernel' ${CONFFILE} && systemctl disable --now wanmark
          systemctl enable --now wanmark-rules && dpkg -i ${second} && systemctl is-active wanmark-rules`);
        await load.more(rate);
        const report = await load.end();
        const { started, seconds, slow, longestMs } = report;
        t.diagnostic(
          `${started} connections at ${Math.round(started / seconds)} a second, ${slow} slow, the longest ${longestMs} ms`,
        );
        assertUnharmed(report);
        assert.equal(byWan(lab, report).none, undefined, 'NAT is in force all the time');

        await router.sh(`sed -i 1d ${CONFFILE} && systemctl disable --now wanmark-rules
          systemctl enable --now wanmark wanmark-web`);
        assert.notEqual(await router.sh(OURS), '');
        await router.sh('dpkg -r wanmark');
        assert.equal(await router.sh(OURS), '');
        assert.equal(
          await router.sh(`ls ${CONFFILE}; ls -d /run/wanmark 2>&- || :; pgrep -u wanmark || :`),
          `${CONFFILE}\n`,
        );

        await router.sh('dpkg -P wanmark');
        assert.deepEqual([await users(), await files()], before);
        assert.doesNotMatch(await router.sh('dpkg-query -l'), /wanmark/);
      } catch (error) {
        t.diagnostic(await router.sh('journalctl --no-pager -o cat -t wanmark -t systemd | tail -n 40'));
        throw error;
      } finally {
        await router.stop();
      }
    });
  });
});
