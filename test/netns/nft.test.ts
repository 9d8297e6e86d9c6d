/** Rules in nft alone: balanced, repaired, changed over to and back without losing a connection, and gone after `down`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { namespaces, needs, nftQueue, program } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, tally, wans } from './rules-harness.js';
import { done, serve, startDaemon, wanOf } from './rules-steps.js';

const PORT = '7000';
const BASE = { engine: 'kernel', 'kernel-mode': 'nth', wan: wans([2, 1, 1]) };
const KERNEL = { ...BASE, firewall: 'iptables' };
const NFT = { ...BASE, backend: 'nft' };

describe('rules in nft', needs(namespaces, program('nft')), () => {
  let machine: Machine;
  let clean: string;

  const snapshot = () => `${machine.snapshot()}${machine.sh('nft -s list ruleset')}`;
  /** How many of as many connections as one turn of the rotation, twice, each WAN gets. */
  const balanced = async (netns?: string) => {
    for (const server of [SERVER, SERVER6]) {
      for (const protocol of ['tcp', 'udp']) {
        const counts = tally((await machine.call([protocol, '8', server, PORT], netns)).map(wanOf));
        assert.deepEqual(counts, { 1: 4, 2: 2, 3: 2 }, `${protocol} ${server} ${netns ?? 'of the router'}`);
      }
    }
  };

  /** Rules in which we have no part. */
  const addOthers = () =>
    machine.sh(`nft "add table ip mine; add chain ip mine input { type filter hook input priority 0; }"
      iptables -t nat -A POSTROUTING -o lo -j RETURN; ip6tables -t mangle -A INPUT -i lo`);

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    await serve(machine, [PORT], [SERVER, SERVER6], 'inet');
    await serve(
      machine,
      [PORT],
      [1, 2, 3].flatMap((k) => [`192.0.${k}.2`, `2001:db8:${k}::2`]),
    );
    // A gateway asks for us in its own name; strict rp_filter hears nobody else's question.
    machine.sh('echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce', {}, 'inet');
    addOthers();
    clean = snapshot();
  });
  after(() => machine.stop());

  test("up balances forwarded connections and the router's own, exactly by weight", async () => {
    assert.match(done(machine, 'up', NFT), /nft -f -/);
    assert.equal(machine.sh('iptables-save; ip6tables-save').includes('WANMARK'), false);
    await balanced('client');
    await balanced();
    assert.match(done(machine, 'up', NFT), /already up; nothing to change/);
  });

  test('a connection from outside is answered by the WAN that it came by', async () => {
    for (const k of [2, 3])
      assert.deepEqual(await machine.call(['tcp', '2', `192.0.${k}.2`, PORT, SERVER], 'inet'), [
        SERVER,
        SERVER,
      ]);
  });

  test('bits of the mark that belong to others survive, on packets and connections', async () => {
    machine.sh(`nft "add table inet other; add chain inet other pre { type filter hook prerouting priority -160; }
      add chain inet other post { type filter hook postrouting priority 0; }
      add rule inet other pre iifname lan0 ct state new meta mark set 0x80000005 ct mark set 0x40000003
      add rule inet other post oifname w1 meta mark & 0xc0ffffff == 0x80000005 ct mark & 0xc0ffffff == 0x40000003 counter
      add rule inet other post oifname w1 counter"`);
    await machine.call(['udp', '8', SERVER, PORT], 'client');
    const counters = [...machine.sh('nft list chain inet other post').matchAll(/packets (\d+)/g)];
    assert.deepEqual(
      counters.map(([, count]) => count),
      ['4', '4'],
    );
    machine.sh('nft delete table inet other');
  });

  test('down leaves the machine as it was', () => {
    done(machine, 'down');
    assert.equal(snapshot(), clean);
    done(machine, 'up', NFT);
  });

  test('what `nft flush ruleset` took away is missed, and put back', async () => {
    machine.sh(
      'nft flush chain inet wanmark mangle4.WANMARK_NEW; nft "delete element inet wanmark specific_4 { 10.9.0.0/24 }"',
    );
    const part = machine.wanmark('check');
    assert.match(
      part.stderr,
      /missing: nft inet wanmark: elements of specific_4, rules of mangle4\.WANMARK_NEW$/m,
    );
    assert.equal(part.status, 1);
    done(machine, 'refresh');
    done(machine, 'check');
    machine.sh('nft flush ruleset');
    assert.match(machine.wanmark('check').stderr, /^wanmark: missing: nft inet wanmark: all of it$/m);
    done(machine, 'refresh');
    done(machine, 'check');
    await balanced('client');
    assert.doesNotMatch(done(machine, 'refresh'), /nft -f/);
    addOthers();
  });

  test('a change of weights writes what differs, and no other rule', () => {
    const said = done(machine, 'up', { ...NFT, wan: wans([1, 1, 1]) });
    const rules = said.split('\n').filter((line) => line.startsWith('# add rule'));
    assert.ok(rules.length > 0 && rules.every((line) => line.includes('.WANMARK_KERNEL ')), said);
  });

  test('sticky clients keep their WAN, and leave it when it is down', async () => {
    const clients = [...Array(6).keys()].flatMap((i) => [`10.9.0.${20 + i}`, `fd09:0:0:${i + 1}::2`]);
    const other = (client: string) => client.replace(/::2$/, '::99');
    const addresses = (verb: string) =>
      machine.sh(
        [...new Set(clients.flatMap((one) => [one, other(one)]))]
          .flatMap((one) => [
            `ip -n client addr ${verb} ${one}/${one.includes(':') ? 128 : 24} dev eth0`,
            ...(one.endsWith('::2') ? [`ip route ${verb} ${one.replace('::2', '::/64')} via fd09::2`] : []),
          ])
          .join('\n'),
      );
    addresses('add');
    /** The WAN of each client, which all of its connections have, whichever address of its /64 they are from. */
    const look = async () => {
      const found = clients.map(async (client) => {
        const server = client.includes(':') ? SERVER6 : SERVER;
        const calls = [client, other(client), client].map((from) =>
          machine.call(['tcp', '2', server, PORT, from], 'client'),
        );
        const [wan, ...others] = Object.keys(tally((await Promise.all(calls)).flat().map(wanOf)));
        assert.deepEqual(others, [], `${client} by ${wan}`);
        return wan;
      });
      return Promise.all(found);
    };
    done(machine, 'up', { ...NFT, 'kernel-mode': 'random', sticky: 'src:for=1h' });
    const first = await look();
    assert.deepEqual(await look(), first);
    // The rules that choose are written anew, and the clients stay.
    const gone = first[0]!;
    const { stderr } = machine.refresh({ down: `wan${gone}` });
    assert.match(stderr, /flush chain inet wanmark mangle4\.WANMARK_KERNEL/);
    const second = await look();
    for (const [i, wan] of second.entries()) {
      if (first[i] === gone) assert.notEqual(wan, gone);
      else assert.equal(wan, first[i]);
    }
    machine.refresh({ down: '' });
    assert.deepEqual(await look(), second, 'they stay where they came to');
    addresses('del');
  });

  test('connections outlive every change between iptables and nft', async () => {
    done(machine, 'up', NFT);
    const peers = [];
    for (const server of [SERVER, SERVER, SERVER, SERVER6, SERVER6, SERVER6]) {
      const peer = await machine.peer(['hold', server, PORT], 'client');
      assert.equal(await peer.line(), 'connected');
      peers.push({ peer, seen: await peer.ask('?') });
    }
    for (const config of [KERNEL, NFT, { ...KERNEL, engine: 'nfqueue' }, NFT]) {
      done(machine, 'up', config);
      for (const { peer, seen } of peers) assert.equal(await peer.ask('?'), seen);
      done(machine, 'check');
      await balanced('client');
    }
    for (const { peer } of peers) await peer.end();
    assert.equal(machine.sh('iptables-save; ip6tables-save').includes('WANMARK'), false);
  });

  test('auto stays with iptables where our rules are there, and takes nft otherwise', () => {
    done(machine, 'up', KERNEL);
    done(machine, 'up', { ...BASE, backend: 'auto' });
    assert.equal(machine.attempt('nft list table inet wanmark').status, 1);
    done(machine, 'down');
    done(machine, 'up', { ...BASE, backend: 'auto' });
    assert.equal(machine.attempt('nft list table inet wanmark').status, 0);
  });

  test('the daemon is asked where the kernel can, and otherwise a line says what is missing', async () => {
    const config = { ...NFT, engine: 'nfqueue', strategy: 'weighted', 'up-after': '0', deadline: '10000' };
    const before = snapshot();
    const result = machine.wanmark('up', config);
    if (nftQueue() !== undefined) {
      assert.equal(result.status, 1);
      assert.match(result.stderr, /^wanmark: the kernel has no queue for nft \(CONFIG_NFT_QUEUE; [^\n]*$/m);
      assert.equal(snapshot(), before);
      done(machine, 'up', { ...config, backend: 'auto' });
      assert.match(machine.sh('iptables-save'), /-j NFQUEUE/);
      done(machine, 'up', NFT);
      return;
    }
    assert.equal(result.status, 0, result.stderr);
    const daemon = await startDaemon(machine, config);
    try {
      const decided = () =>
        (JSON.parse(machine.command(['status', '--json']).stdout).wans as { picks: number }[]).reduce(
          (sum, { picks }) => sum + picks,
          0,
        );
      const had = decided();
      await balanced('client');
      await balanced();
      assert.equal(decided() - had, 64);
      machine.sh('nft flush ruleset');
      machine.until('nft list chain inet wanmark mangle6.WANMARK_NEW');
      addOthers();
      await balanced('client');
      machine.command(['set', 'wan1', 'state=down']);
      const counts = tally((await machine.call(['tcp', '6', SERVER, PORT], 'client')).map(wanOf));
      assert.deepEqual(counts, { 2: 3, 3: 3 });
    } finally {
      await daemon.stop('SIGKILL');
    }
    // The kernel goes on by what the daemon has left.
    const counts = tally((await machine.call(['tcp', '6', SERVER, PORT], 'client')).map(wanOf));
    assert.deepEqual(counts, { 2: 3, 3: 3 });
    done(machine, 'up', NFT);
  });

  test('what a program of the router takes by REDIRECT is its own, whoever wrote the rule', async () => {
    const rules = {
      iptables: ['iptables -t nat -A PREROUTING -i lan0 -p tcp --dport 7001 -j REDIRECT --to-ports 7000'],
      nft: [
        'nft "add table ip taker; add chain ip taker pre { type nat hook prerouting priority -100; }"',
        'nft "add rule ip taker pre iifname lan0 tcp dport 7001 redirect to :7000"',
      ],
    };
    for (const [by, lines] of Object.entries(rules)) {
      machine.sh(lines.join('\n'));
      const seen = tally(await machine.call(['tcp', '6', SERVER, '7001'], 'client'));
      assert.deepEqual(seen, { '10.9.0.2': 6 }, `the router's own server sees the client, ${by}`);
      machine.sh(
        by === 'nft'
          ? 'nft delete table ip taker'
          : 'iptables -t nat -D PREROUTING -i lan0 -p tcp --dport 7001 -j REDIRECT --to-ports 7000',
      );
    }
  });

  test('what nft has no words for is refused in a line, and nothing is changed', () => {
    const before = snapshot();
    const cases: [object, number, RegExp][] = [
      [{ ...KERNEL, 'kernel-mode': 'hash:src' }, 2, /iptables cannot hash; use --backend nft with/],
      [{ ...NFT, firewall: 'iptables' }, 2, /firewall is given 2 times; give it once/],
    ];
    for (const [config, status, message] of cases) {
      const result = machine.wanmark('up', config as never);
      assert.equal(result.status, status, result.stderr);
      assert.match(result.stderr, message);
      assert.equal(result.stderr.trim().split('\n').length, 1, result.stderr);
    }
    assert.equal(snapshot(), before);
  });

  test('a hash keeps each client on one WAN, and moves only those of a WAN that goes', async () => {
    const clients = Array.from({ length: 16 }, (_, i) => [
      [SERVER, `10.9.0.${100 + i}`],
      [SERVER6, `fd09::1:${i}`],
    ]).flat() as [string, string][];
    const batch = clients.map(([, own]) => `addr add ${own}/${own.includes(':') ? '64 nodad' : 24} dev eth0`);
    machine.sh(`printf '%s\\n' '${batch.join("' '")}' | ip netns exec client ip -batch -`);
    const hash = { ...NFT, 'kernel-mode': 'hash:src' };
    const wansOf = async () => {
      const found = new Map<string, string>();
      for (const [server, own] of clients) {
        const seen = (await machine.call(['udp', '3', server, PORT, own], 'client')).map(wanOf);
        assert.equal(new Set(seen).size, 1, `${own} by ${seen}`);
        found.set(own, seen[0]!);
      }
      return found;
    };
    done(machine, 'up', hash);
    const before = await wansOf();
    assert.equal(new Set(before.values()).size, 3);
    done(machine, 'check');
    assert.match(done(machine, 'up', hash), /already up; nothing to change/);
    done(machine, 'up', { ...hash, wan: wans([2, 1]) });
    const during = await wansOf();
    for (const [own, wan] of before) if (wan !== '3') assert.equal(during.get(own), wan, own);
    assert.equal(
      new Set([...before].filter(([, wan]) => wan === '3').map(([own]) => during.get(own))).size,
      2,
    );
    done(machine, 'up', hash);
    assert.deepEqual(await wansOf(), before);

    done(machine, 'up', { ...hash, 'kernel-mode': 'hash:sport,src' });
    for (const server of [SERVER, SERVER6]) {
      const spread = tally((await machine.call(['tcp', '32', server, PORT], 'client')).map(wanOf));
      assert.equal(Object.keys(spread).length, 3, JSON.stringify(spread));
    }
    machine.sh(
      `printf '%s\\n' '${batch.join("' '").replaceAll('addr add', 'addr del').replaceAll(' nodad', '')}' | ip netns exec client ip -batch -`,
    );
    done(machine, 'up', NFT);
  });

  test('an `up` that fails goes back to what was there', () => {
    const before = snapshot();
    const clash = machine.attempt(`ip route add table 1004 192.0.2.0/24 dev w2`);
    assert.equal(clash.status, 0);
    const cut = { ...NFT, wan: [...wans([2, 1, 1]), 'four,dev=w2,via=dev,via6=dev'], table: '1000' };
    assert.notEqual(machine.wanmark('up', cut).status, 0);
    machine.sh('ip route del table 1004 192.0.2.0/24 dev w2');
    assert.equal(snapshot(), before);
  });

  test('down leaves nothing, whichever backends there were', () => {
    done(machine, 'down');
    // iptables-nft leaves its base chains behind, which only nft shows.
    assert.equal(machine.snapshot(), clean.slice(0, machine.snapshot().length));
    assert.equal(/wanmark/i.test(machine.sh('nft list ruleset')), false);
  });

  test('a machine without any iptables has everything', async () => {
    const programs = machine.sh('ls /usr/sbin/xtables-*-multi').trim().split('\n');
    for (const path of programs) machine.sh(`mount --bind /dev/null ${path}`);
    assert.notEqual(machine.attempt('iptables -V').status, 0);
    assert.match(
      machine.wanmark('up', KERNEL).stderr,
      /iptables is not installed; .* or use --backend nft$/m,
    );
    const empty = machine.sh('nft -s list ruleset');
    done(machine, 'up', { ...BASE, backend: 'auto' });
    await balanced('client');
    machine.sh('nft flush chain inet wanmark mangle6.WANMARK_NEW');
    assert.equal(machine.wanmark('check').status, 1);
    done(machine, 'refresh');
    done(machine, 'check');
    assert.equal(machine.command(['status']).status, 0);
    done(machine, 'down');
    assert.equal(machine.sh('nft -s list ruleset'), empty);
    for (const path of programs) machine.sh(`umount ${path}`);
  });
});
