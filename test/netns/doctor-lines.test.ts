/**
 * The lines of `doctor` that doctor.test.ts does not have: a daemon that is otherwise than the rules, and what is wrong or not
 * known for reasons that do not go together with those there.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { RawConfig } from '#wanmark/config/options.js';
import { addon, conntrackTable, namespaces, needs, nfqueue } from '../helpers/requires.js';
import { answered, doctor, lineOf, nameServers, saysOnly } from './doctor-report.js';
import { Machine, type Peer, SERVER, SERVER6, WANMARK, wans } from './rules-harness.js';

const NOBODY = '203.0.113.9';
const CHECK = `all=ping,to=${SERVER}+${SERVER6}`;
const CONFIG: RawConfig = { wan: wans([1, 1, 1]), check: [CHECK] };

/** A name server that answers each question with this code (RFC 1035, 4.1.1), and says when it is there. */
const NAME_SERVER = (rcode: number) => `
  const server = require('node:dgram').createSocket('udp4');
  server.on('message', (query, from) => {
    query.writeUInt16BE(0x8180 | ${rcode}, 2);
    server.send(query, from.port, from.address);
  });
  server.bind(53, '${SERVER}', () => console.log('there'));`;

describe('lines of doctor', needs(namespaces, nfqueue, addon, conntrackTable), () => {
  let machine: Machine;
  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    nameServers(machine, '');
  });
  after(() => machine.stop());

  /** What `doctor` says beside a daemon that has another configuration than the rules, and has had answers to all checks. */
  const besideDaemon = async (config: RawConfig) => {
    const file = machine.configFile(config);
    const run = `${process.execPath} ${WANMARK} run --config ${file}`;
    const daemon = machine.hold(`sh -c 'echo $$; exec ${run} 2>&1' & wait; echo has ended`);
    const pid = Number(await daemon.line());
    const said: unknown[] = [];
    while (!String(said.at(-1)).includes('another configuration')) {
      said.push(await daemon.line());
      assert.notEqual(said.at(-1), 'has ended', said.join('\n'));
    }
    while (answered(machine) < 6) await setTimeout(100);
    const seen = doctor(machine);
    machine.sh(`kill ${pid}`);
    while ((await daemon.line()) !== 'has ended');
    return seen;
  };

  test('questions before up, and checks that nobody knows', () => {
    const { faults } = doctor(machine, CONFIG);
    assert.ok(faults.includes('checks not-asked'), faults.join());
    assert.equal(machine.wanmark('up', CONFIG).status, 0);
    saysOnly(doctor(machine), {
      'daemon absent': /^none answers/,
      'checks not-given': /^not known/,
    });
  });

  test('a daemon that has something to say of the rules', async () => {
    const seen = await besideDaemon({ ...CONFIG, own: 'off' });
    saysOnly(seen, { 'daemon note': /^the rules are those of another configuration \(.*own/ });
  });

  test('a daemon with other queues and weights than the rules', async () => {
    saysOnly(await besideDaemon({ ...CONFIG, wan: wans([5, 1, 1]), queues: 3 }), {
      'daemon queues': /^no rule feeds queues 1 to 2: the others get all$/,
      'daemon differs': /: wan1: weight 5 and not 1$/,
    });
  });

  test('rules of another version, and rules that cannot be looked at', () => {
    const kept = `${machine.root}${machine.sh('find /run -name plan.json').trim()}`;
    const plan = JSON.parse(readFileSync(kept, 'utf8'));
    const keep = (format: number) => writeFileSync(kept, JSON.stringify({ ...plan, format }));
    keep(plan.format + 1);
    const other = doctor(machine, CONFIG);
    assert.match(lineOf(other.report, 'rules other-version'), /another version's/);
    assert.equal(other.status, 1);
    keep(plan.format);
    const folder = join(machine.directory, 'no-save');
    machine.sh(`mkdir ${folder}; printf '#!/bin/sh\necho no such table >&2; exit 1\n' >${folder}/iptables-save
      chmod +x ${folder}/iptables-save`);
    const seen = doctor(machine, CONFIG, { PATH: `${folder}:${process.env.PATH}` });
    assert.match(lineOf(seen.report, 'rules unseen'), /^could not be looked at: /);
  });

  test('settings, others, name servers that refuse strangers, and what iptables lacks', async () => {
    const modules = join(machine.directory, 'extensions');
    const max = join(machine.directory, 'max');
    const entries = Array.from(
      { length: 200 },
      (_, i) => `-I -p udp -s 10.9.0.9 -d ${SERVER} --sport ${i} --dport 9`,
    );
    writeFileSync(join(machine.directory, 'entries'), entries.map((one) => `${one} -t 600\n`).join(''));
    machine.sh(`
      echo 0 >/proc/sys/net/ipv4/conf/w2/forwarding
      ip rule add priority 30000 fwmark 0x1000000/0xff000000 lookup 52
      iptables -A OUTPUT -p icmp -d ${NOBODY} -j DROP
      conntrack -R ${machine.directory}/entries
      echo $(($(cat /proc/sys/net/netfilter/nf_conntrack_count) * 100 / 87)) >${max}
      mount --bind ${max} /proc/sys/net/netfilter/nf_conntrack_max
      mkdir ${modules}; cp "$(dirname "$(find /usr/lib -name libxt_mac.so)")"/*.so ${modules}
      rm ${modules}/libxt_mac.so`);
    nameServers(machine, `nameserver ${SERVER}\n`);
    const server = await serveNames(machine, 5);
    const check = [CHECK, `wan1=ping,to=${NOBODY}`];
    saysOnly(doctor(machine, { ...CONFIG, check }, { XTABLES_LIBDIR: modules }), {
      'daemon absent': /^none answers/,
      'forwarding device': /^IPv4: what comes in by w2 is not forwarded$/,
      'ip-rules note': /^ip -4 rule 30000 .* asks for a mark of WAN wan1$/,
      'checks unknown': new RegExp(`^wan1, IPv4: ping ${NOBODY}: .*EPERM.*, which says nothing of the WAN$`),
      'conntrack filling': /^\d+ of \d+ connections, \d+ %$/,
      'dns refused': /^wan1, IPv4: refused/,
      'kernel lacks': /^lacks xt_mac: /,
    });
    await server.stop('SIGTERM');
    machine.sh(`
      umount /proc/sys/net/netfilter/nf_conntrack_max
      echo 1 >/proc/sys/net/ipv4/conf/w2/forwarding
      ip rule del priority 30000; iptables -D OUTPUT -p icmp -d ${NOBODY} -j DROP`);
  });

  test('a table of connections that is not shown, helpers for everybody, and a name server that is silent', async () => {
    machine.sh(`mount -t tmpfs none /proc/sys/net/netfilter
      echo 1 >/proc/sys/net/netfilter/nf_conntrack_helper`);
    nameServers(machine, `nameserver ${SERVER}\nnameserver ${NOBODY}\n`);
    const server = await serveNames(machine, 0);
    saysOnly(doctor(machine, CONFIG), {
      'daemon absent': /^none answers/,
      'conntrack unknown': /no table/,
      'helpers automatic': /^net\.netfilter\.nf_conntrack_helper is 1/,
      'dns server': new RegExp(`^wan1, IPv4: ${NOBODY}: `),
    });
    await server.stop('SIGTERM');
  });
});

/** Serves names in the network of the gateways, with this code for an answer. */
async function serveNames(machine: Machine, rcode: number): Promise<Peer> {
  const file = join(machine.directory, 'names.cjs');
  writeFileSync(file, NAME_SERVER(rcode));
  const server = await machine.peer([], 'inet', file);
  assert.equal(await server.line(), 'there');
  return server;
}
