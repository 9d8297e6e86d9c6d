/** What `doctor` says of a router where many things were made wrong for real, without a daemon and with one. */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Status } from '#wanmark/control/status.js';
import type { Finding } from '#wanmark/doctor/examinations.js';
import { addon, conntrackTable, namespaces, needs, nfqueue } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, WANMARK, wans } from './rules-harness.js';

interface Report {
  readonly daemon: number | null;
  readonly wrong: number;
  readonly warnings: number;
  readonly findings: readonly Finding[];
}

const NOBODY = '203.0.113.9';
const CONFIG: RawConfig = { wan: wans([1, 1, 1]), check: [`all=ping,to=${SERVER}+${SERVER6},interval=1`] };

describe('doctor', needs(namespaces, nfqueue, addon, conntrackTable), () => {
  let machine: Machine;

  /** What it finds that is not well, as `examination kind`, and all of it. */
  const doctor = (config?: RawConfig) => {
    const args = [
      'doctor',
      '--json',
      ...(config === undefined ? [] : ['--config', machine.configFile(config)]),
    ];
    const { status, stdout, stderr } = machine.command(args);
    assert.equal(stderr, '');
    const report = JSON.parse(stdout) as Report;
    const faults = report.findings.filter(({ level }) => level !== 'ok');
    return { status, report, faults: faults.map(({ examination, kind }) => `${examination} ${kind}`) };
  };

  /** The text of the first line of a kind. */
  const lineOf = ({ findings }: Report, fault: string) => {
    const found = findings.find(({ examination, kind }) => `${examination} ${kind}` === fault);
    assert.ok(found, `${fault} in ${JSON.stringify(findings)}`);
    return found.text;
  };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    nameServers('');
  });

  after(() => machine.stop());

  const nameServers = (text: string) => {
    const file = join(machine.directory, 'resolv.conf');
    writeFileSync(file, text);
    machine.sh(`umount /etc/resolv.conf 2>/dev/null || :; mount --bind ${file} /etc/resolv.conf`);
  };

  /** How many checks have had an answer, as the daemon says. */
  const answered = () => {
    const { stdout } = machine.command(['status', '--json']);
    const wans = stdout === '' ? [] : (JSON.parse(stdout) as Status).wans;
    // Before the daemon answers, there are none.
    return wans.flatMap(({ checks }) => checks ?? []).filter((one) => one.answered > 0).length;
  };

  test('before up: needs a configuration, says what is not ready, and refuses a wrong one', () => {
    const bare = machine.command(['doctor']);
    assert.deepEqual([bare.status, bare.stdout], [1, '']);
    assert.match(bare.stderr, /^wanmark: is not up; .* or give the configuration/);
    const wrong = machine.command(['doctor', '--wan', 'a']);
    assert.equal(wrong.status, 2);
    const command = `${process.execPath} ${WANMARK} doctor --config ${machine.configFile(CONFIG)}`;
    const { status, stdout } = machine.attempt(`TERM=xterm script -qec '${command}' /dev/null`);
    assert.equal(status, 1, stdout);
    assert.ok(stdout.startsWith('\x1b[31mwrong'), 'on a terminal');
    const lines = stripVTControlCharacters(stdout).split('\r\n');
    assert.match(lines[0]!, /^wrong {4}rules: not up/);
    assert.ok(
      lines.some((line) => /^ok {7}gateways: wan1 \(192\.0\.1\.1\), wan1 \(2001:db8:1::1\)/.test(line)),
    );
    for (const line of lines) assert.ok(line.length <= 80, line);
  });

  test('with the daemon, all is well', async () => {
    assert.equal(machine.wanmark('up', CONFIG).status, 0);
    const daemon = machine.hold(
      `${process.execPath} ${WANMARK} run --config ${machine.configFile(CONFIG)} >/dev/null 2>&1 & echo $!`,
    );
    const pid = Number(await daemon.line());
    // The first rounds of all checks.
    while (answered() < 6) await setTimeout(100);
    const { status, report, faults } = doctor();
    assert.deepEqual([faults, status, report.daemon], [[], 0, pid]);
    assert.match(lineOf(report, 'checks ok'), /^6 of 6 targets answer$/);
    machine.sh(`kill -9 ${pid}`);
    await daemon.end();
  });

  test('without it: everything that was made wrong, by its name, and nothing has changed', async () => {
    const networkd = join(machine.directory, 'systemd-networkd');
    copyFileSync('/bin/cat', networkd);
    const max = join(machine.directory, 'max');
    writeFileSync(max, '1\n');
    nameServers(`nameserver ${SERVER}\n`);
    machine.sh(`
      chmod +x ${networkd}
      echo 0 > /proc/sys/net/ipv4/ip_forward
      echo 0 > /proc/sys/net/ipv4/conf/w1/src_valid_mark
      ip rule del priority 20002 from 192.0.1.2
      iptables -t nat -F WANMARK_NAT
      ip link set w2 down
      ip -n inet addr del 192.0.3.1/24 dev g3
      ip rule add priority 5 lookup main
      iptables -t mangle -N cali-FORWARD; iptables -t mangle -A FORWARD -j cali-FORWARD
      iptables -t mangle -A cali-FORWARD -j CONNMARK --set-mark 0x500
      iptables -t mangle -N mwan3_hook; iptables -N FORWARD_direct
      ip route add 198.18.0.0/15 dev lan0 table 1001
      conntrack -I -p udp -s 10.9.0.9 -d ${NOBODY} --sport 9 --dport 9 -t 600
      mount --bind ${max} /proc/sys/net/netfilter/nf_conntrack_max`);
    const running = machine.hold(`echo; exec ${networkd}`);
    await running.line();
    const check = [`all=ping,to=${SERVER}+${NOBODY}+${SERVER6}`];
    const was = machine.snapshot();
    const { status, report, faults } = doctor({ ...CONFIG, check });
    assert.equal(machine.snapshot(), was);
    assert.equal(status, 1);
    const expected: Readonly<Record<string, RegExp>> = {
      'rules missing': /iptables nat: .*WANMARK_NAT/,
      'daemon absent': /^none answers/,
      'forwarding off': /^net\.ipv4\.ip_forward is 0/,
      'source-check blind': /rp_filter of w1/,
      'nat missing': /WANMARK_NAT/,
      'uplinks down': /^wan2, IPv4: /,
      'gateways silent': /^wan3: 192\.0\.3\.1 on w3 does not answer \(ARP\)$/,
      'checks failed': /^wan3, IPv4: ping /,
      'checks target': new RegExp(`^wan1, IPv4: ping ${NOBODY}: `),
      'dns silent': new RegExp(`^wan1, IPv4: no name server answers \\(${SERVER}: refused\\)$`),
      'conntrack full': /^\d+ of 1 connections, \d+ %; new ones are dropped/,
      'marks conflict': /^Calico: iptables mangle cali-FORWARD/,
      'ip-rules takes-all': /^ip -4 rule 5 'from all lookup main'/,
      'tables taken': /^table 1001 holds another's route \(198\.18\.0\.0\/15 dev lan0/,
      'programs mwan3': /^mwan3 has rules/,
      'programs networkd': /^systemd-networkd runs/,
      'programs firewalld': /^firewalld has rules in iptables/,
    };
    const unseen = Object.entries(expected).filter(
      ([fault, text]) =>
        !report.findings.some((one) => `${one.examination} ${one.kind}` === fault && text.test(one.text)),
    );
    assert.deepEqual(unseen, [], JSON.stringify(report.findings, undefined, 1));
    assert.deepEqual([...new Set(faults)].sort(), Object.keys(expected).sort());
    const missing = report.findings.filter(({ kind }) => kind === 'missing').map(({ text }) => text);
    assert.ok(
      missing.some((text) => /ip -4 rule priority 20002 from 192\.0\.1\.2/.test(text)),
      missing.join('\n'),
    );
    await running.end();
  });

  test('another configuration than that of the rules, weights that nobody goes by, a WAN without a check, no NAT', () => {
    const other = {
      wan: wans([5, 1, 1], ['nat=none']),
      check: [`wan1=ping,to=${SERVER}`, `wan3=ping,to=${SERVER}+${SERVER6}`],
      strategy: 'round-robin',
    };
    const { report } = doctor(other);
    assert.match(lineOf(report, 'rules other-configuration'), /another configuration/);
    assert.match(lineOf(report, 'weights unused'), /round-robin ignores weights, and wan1 has weight 5/);
    assert.match(lineOf(report, 'checks none'), /^wan1 \(IPv6\) has no check/);
    assert.match(
      lineOf(report, 'nat none'),
      /^wan1 has nat=none, and lan0 has the private address 10\.9\.0\.1\/24$/,
    );
  });
});
