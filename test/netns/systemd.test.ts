/** The units under a real systemd, set up as docs/systemd.md and docs/web.md say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { addon, needs, nfqueue, systemd } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { Systemd, TREE } from '../helpers/systemd.js';

const CONFIG = (weight: number) =>
  JSON.stringify({ wan: [`wan1,dev=w1,via=192.0.1.1,weight=${weight}`, 'wan2,dev=w2,via=192.0.2.1'] });

/** The commands of the first shell block below a heading, without those that build, edit or need a person. */
function steps(page: string, heading: string): string {
  const text = readFileSync(`${TREE}/docs/${page}`, 'utf8');
  const [, block] = /```sh\n(.*?)```/s.exec(text.slice(text.indexOf(`## ${heading}\n`)))!;
  return block!
    .split('\n')
    .filter((line) => !/^(npm|\$EDITOR)|\| less/.test(line))
    .join('\n');
}

describe('under systemd', needs(systemd, nfqueue, addon), () => {
  let machine: Systemd;
  before(async () => {
    machine = await Systemd.boot();
    await machine.sh(`
      sysctl -qw net.ipv4.ip_forward=1
      # Only the machine's load would make the limits of the units matter.
      mkdir -p /etc/systemd/system/wanmark.service.d
      printf '[Service]\\nWatchdogSec=300\\nTimeoutStartSec=600\\n' >/etc/systemd/system/wanmark.service.d/slow.conf
      for k in 1 2; do
        ip link add w$k type veth peer name g$k; ip addr add 192.0.$k.2/24 dev w$k
        ip link set w$k up; ip link set g$k up
      done
      # As npm link would, which makes the file in the tree executable.
      printf '#!/bin/sh\\nexec ${process.execPath} ${TREE}/dist/cli/main.js "$@"\\n' >/usr/local/bin/wanmark
      chmod +x /usr/local/bin/wanmark
      echo '${CONFIG(3)}' >/etc/wanmark.yaml`);
  });
  after(() => machine?.stop());

  const property = async (name: string, unit = 'wanmark') =>
    (await machine.sh(`systemctl show --value -p ${name} ${unit}`)).trim();
  const wans = async () => JSON.parse(await machine.sh('wanmark status --json')).wans;
  const warnings = () => machine.sh('journalctl --no-pager -o cat -t wanmark -p warning');

  it('is set up by the steps of the documentation', async () => {
    await machine.sh(steps('systemd.md', 'Setting it up'));
    assert.equal(await property('ActiveState'), 'active');
    assert.match(await property('StatusText'), /^weighted over 2 WANs, \d+ verdicts/);
    assert.match(await machine.sh('iptables-save -t mangle'), /-j NFQUEUE/);
    assert.equal(
      await machine.sh('stat -c "%U %a" /run/wanmark /var/lib/wanmark'),
      'wanmark 755\nwanmark 750\n',
    );
    assert.equal(await machine.sh(`ps -o user= -p ${await property('MainPID')}`), 'wanmark\n');
    assert.equal(await warnings(), '');
  });

  it('goes over to another configuration by systemctl reload, and refuses a wrong one', async () => {
    const pid = await property('MainPID');
    await machine.sh(`echo '${CONFIG(5)}' >/etc/wanmark.yaml; systemctl reload wanmark`);
    assert.equal((await wans())[0].weight, 5);
    const { code } = await machine.run(`echo '{"wan":[]}' >/etc/wanmark.yaml; systemctl reload wanmark`);
    assert.notEqual(code, 0);
    assert.deepEqual([await property('MainPID'), await property('ActiveState')], [pid, 'active']);
    assert.equal((await wans())[0].weight, 5);
    await machine.sh(`echo '${CONFIG(5)}' >/etc/wanmark.yaml`);
  });

  it('shows a dead WAN among the warnings of the journal', async () => {
    await machine.sh('ip link set w2 down');
    const said = await eventually(warnings, (text) => text.includes('wan down'), 'a warning');
    assert.match(said, /wan2/);
    assert.doesNotMatch(said, /"msg":"(started|reloaded)"/);
  });

  it('shows the page by a user of its own', async () => {
    await machine.sh(steps('web.md', 'As a service'));
    const metrics =
      'fetch("http://127.0.0.1:8080/metrics").then((a) => a.text()).then(console.log, () => {})';
    const text = await eventually(
      () => machine.sh(`node -e '${metrics}'`),
      (one) => one.includes('wanmark_daemon_up 1'),
      'metrics of the daemon',
    );
    assert.ok(text.includes('wanmark_wan_up{wan="wan2",family="ipv4"} 0\n'), text);
    assert.equal(
      await machine.sh(`ps -o user= -p ${await property('MainPID', 'wanmark-web')}`),
      'wanmark-web\n',
    );
    await machine.sh('systemctl disable --now wanmark-web');
  });

  it('is started anew when it is killed, and goes on with what it knew', async () => {
    const [{ since }] = (await wans()).filter(({ name }: { name: string }) => name === 'wan2');
    const pid = await property('MainPID');
    // As the memory has it: the daemon's last look was after the WAN's death.
    await eventually(
      () => machine.run('cat /run/wanmark/wanmark.sock.memory'),
      ({ stdout }) => stdout.includes('"wan2/4":{"up":false'),
      'it is written down',
    );
    await machine.sh(`kill -9 ${pid}`);
    await eventually(
      async () => [await property('MainPID'), await property('ActiveState')],
      ([now, state]) => now !== pid && state === 'active',
      'another daemon',
    );
    assert.equal(await property('NRestarts'), '1');
    const [, wan2] = await wans();
    assert.equal(wan2.state, 'down');
    assert.ok(Math.abs(Date.parse(wan2.since) - Date.parse(since)) < 1000, `${wan2.since}, was ${since}`);
  });

  it('ends when it is stopped, and its rules stay until they are taken away', async () => {
    await machine.sh('systemctl stop wanmark');
    assert.deepEqual([await property('ActiveState'), await property('Result')], ['inactive', 'success']);
    assert.match(await machine.sh('iptables-save -t mangle'), /-j NFQUEUE/);
    assert.equal(await machine.sh('ls /var/lib/wanmark'), 'run-wanmark-wanmark.sock.month\n');
    await machine.sh(steps('systemd.md', 'Removing it'));
    assert.doesNotMatch(await machine.sh('iptables-save; ip rule'), /WANMARK/);
    assert.equal(await machine.sh('ls -d /var/lib/wanmark || :'), '');
  });
});
