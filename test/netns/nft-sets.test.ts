/** Sets that somebody else fills, in our nft table: by hand and by dnsmasq, over all that we change. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { packagedArgv } from '../helpers/beside.js';
import { addon, namespaces, needs, packages, program } from '../helpers/requires.js';
import { type Script, succeed, wans as wanFlags, withScript } from './print-harness.js';
import { Machine, SERVER, SERVER6, tally, wans } from './rules-harness.js';
import { done, serve, wanOf } from './rules-steps.js';

const PORT = '7000';
const CONFIG = {
  engine: 'kernel',
  backend: 'nft',
  wan: wans([1, 1, 1]),
  set: ['streaming,external'],
  rule: ['wan3,set=streaming', 'wan1,own=false', 'wan2,own=true'],
};

describe('sets of our nft table that others fill', needs(namespaces, addon, program('nft')), () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    await serve(machine, [PORT], [SERVER, SERVER6], 'inet');
  });
  after(() => machine.stop());

  /** The WAN of connections from the LAN. */
  const wanTo = async (server: string) => {
    const seen = tally((await machine.call(['tcp', '4', server, PORT], 'client')).map(wanOf));
    return Object.keys(seen).join();
  };
  const element = (verb: string, text: string, family = 4) =>
    machine.sh(`nft ${verb} element inet wanmark set_streaming_${family} '{ ${text} }'`);
  const elements = () => machine.sh('nft -s list set inet wanmark set_streaming_4');

  test('what is put into one goes by its rule, an address, a network or for a time', async () => {
    done(machine, 'up', CONFIG);
    assert.equal(await wanTo(SERVER), '1');
    element('add', SERVER);
    element('add', '2001:db8:ff::/48', 6);
    assert.equal(await wanTo(SERVER), '3');
    assert.equal(await wanTo(SERVER6), '3');
    element('delete', SERVER);
    element('add', `203.0.113.0/24 timeout 1h`);
    assert.equal(await wanTo(SERVER), '3');
    done(machine, 'check');
    assert.match(done(machine, 'up', CONFIG), /already up; nothing to change/);
  });

  test('it is kept over every change of rules, and put back empty after `nft flush ruleset`', async () => {
    const was = elements();
    assert.match(was, /203\.0\.113\.0\/24 timeout 1h/);
    const changed = { ...CONFIG, wan: wans([2, 1, 1]), rule: ['wan2,proto=udp', ...CONFIG.rule] };
    done(machine, 'up', changed);
    machine.refresh({ down: 'wan1' });
    machine.refresh({ down: '' });
    machine.sh('nft flush chain inet wanmark mangle4.WANMARK_NEW');
    done(machine, 'refresh');
    assert.equal(elements(), was);
    assert.equal(await wanTo(SERVER), '3');
    machine.sh('nft flush ruleset');
    done(machine, 'refresh');
    assert.doesNotMatch(elements(), /elements/);
    assert.equal(await wanTo(SERVER), '1');
  });

  test('explain looks into it', () => {
    const explained = () => machine.command(['explain', '10.9.0.2', `${SERVER}:443`]).stdout;
    assert.match(explained(), /rule +3: wan1,own=false/);
    element('add', '203.0.113.0-203.0.113.7');
    assert.match(explained(), /rule +2: wan3,set=streaming/);
  });

  test('with an ipset of that name, `up` says which set is asked', needs(program('ipset')), () => {
    machine.sh('ipset create streaming hash:ip');
    assert.match(
      done(machine, 'up', CONFIG),
      /warning: with nft, set streaming is not the ipset streaming but a set of the table inet wanmark; /m,
    );
    // Whoever fills an ipset has iptables.
    done(machine, 'down');
    done(machine, 'up', { ...CONFIG, backend: 'auto' });
    assert.notEqual(machine.attempt('nft list table inet wanmark').status, 0);
    assert.match(machine.sh('iptables-save'), /--match-set streaming dst/);
    done(machine, 'up', CONFIG);
    machine.sh('ipset destroy streaming');
    done(machine, 'down');
  });

  test('a printed script keeps it, too', async () => {
    const args = [...wanFlags(), '--engine', 'kernel', '--firewall', 'nft', '--set', 'streaming,external'];
    const rules = ['--rule', 'wan3,set=streaming', '--rule', 'wan1'];
    const use = (script: Script) => {
      succeed(machine, script, 'up');
      element('add', SERVER);
      const bases = () => machine.sh("nft -a list table inet wanmark | grep '{ # handle'");
      const before = bases();
      succeed(machine, script, 'up');
      assert.equal(bases(), before, 'nothing was made anew');
      script.set('wan1_weight', 7);
      succeed(machine, script, 'refresh');
      assert.match(elements(), /203\.0\.113\.1/);
    };
    withScript(machine, [...args, ...rules], {}, use);
  });

  test("dnsmasq's nftset fills it", needs(packages), async () => {
    done(machine, 'up', CONFIG);
    const run = (name: string, words: string, netns = '') => {
      const flags = '-d --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces';
      const argv = packagedArgv({ name } as never, ['sh', '-c', `'exec dnsmasq ${flags} ${words}'`]).join(
        ' ',
      );
      const enter = netns && `ip netns exec ${netns}`;
      machine.hold(`${enter} ${argv} >/run/${name}.log 2>&1 & echo $! >/run/${name}.pid`);
      machine.until(`grep -q started /run/${name}.log`);
    };
    const names = ['a', 'b'].map(
      (name) => `--address=/${name}.test/${SERVER} --address=/${name}.test/${SERVER6}`,
    );
    run('up', `--listen-address=${SERVER} ${names.join(' ')}`, 'inet');
    const sets = '/b.test/4#inet#wanmark#set_streaming_4,6#inet#wanmark#set_streaming_6';
    run('own', `--listen-address=127.0.0.1 --server=${SERVER} --nftset=${sets}`);
    /** Asks for both kinds of addresses. */
    const ask = (name: string) =>
      machine.sh(`${process.execPath} -e '
        const resolver = new (require("node:dns").promises.Resolver)();
        resolver.setServers(["127.0.0.1"]);
        Promise.all([resolver.resolve4("${name}"), resolver.resolve6("${name}")]).then((all) => console.log(all.flat().join()));'`);
    assert.equal(ask('a.test').trim(), `${SERVER},${SERVER6}`);
    assert.equal(await wanTo(SERVER), '1');
    assert.equal(ask('b.test').trim(), `${SERVER},${SERVER6}`);
    assert.equal(await wanTo(SERVER), '3');
    assert.equal(await wanTo(SERVER6), '3');
    ask('b.test');
    done(machine, 'refresh');
    assert.equal(await wanTo(SERVER), '3');
    machine.sh('kill $(cat /run/up.pid /run/own.pid)');
    done(machine, 'down');
  });
});
