/** What `doctor` says of a router where many things were made wrong for real, without a daemon and with one. */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { RawConfig } from '#wanmark/config/options.js';
import { addon, conntrackTable, namespaces, needs, nfqueue } from '../helpers/requires.js';
import { answered, doctor, lineOf, nameServers, saysOnly } from './doctor-report.js';
import { Machine, SERVER, SERVER6, WANMARK, wans } from './rules-harness.js';

const NOBODY = '203.0.113.9';
const CONFIG: RawConfig = { wan: wans([1, 1, 1]), check: [`all=ping,to=${SERVER}+${SERVER6},interval=1`] };

describe('doctor', needs(namespaces, nfqueue, addon, conntrackTable), () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    nameServers(machine, '');
  });

  after(() => machine.stop());

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
    while (answered(machine) < 6) await setTimeout(100);
    const { status, report, faults } = doctor(machine);
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
    nameServers(machine, `nameserver ${SERVER}\n`);
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
    const seen = doctor(machine, { ...CONFIG, check });
    const { status, report } = seen;
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
    saysOnly(seen, expected);
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
    const { report } = doctor(machine, other);
    assert.match(lineOf(report, 'rules other-configuration'), /another configuration/);
    assert.match(lineOf(report, 'weights unused'), /round-robin ignores weights, and wan1 has weight 5/);
    assert.match(lineOf(report, 'checks none'), /^wan1 \(IPv6\) has no check/);
    assert.match(
      lineOf(report, 'nat none'),
      /^wan1 has nat=none, and lan0 has the private address 10\.9\.0\.1\/24$/,
    );
  });
});
