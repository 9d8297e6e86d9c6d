/** Who else uses our bits of the mark is said in one line each, and never keeps a command from working. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { markOf, WAN_MASK } from '../helpers/marks.js';
import { addon, conntrackTable, namespaces, needs } from '../helpers/requires.js';
import { Machine, WANMARK, wans } from './rules-harness.js';

describe('other users of our bits', needs(namespaces, addon, conntrackTable), () => {
  let machine: Machine;
  const config = { wan: wans([1, 1, 1]) };
  const warnings = (verb: string) => {
    const { status, stderr } = machine.wanmark(verb, config);
    assert.equal(status, 0, stderr);
    return stderr.split('\n').filter((line) => line.startsWith('wanmark: warning: '));
  };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
  });

  after(() => machine.stop());

  test('nobody is named where nobody is', () => {
    assert.deepEqual(warnings('up'), []);
    assert.deepEqual(warnings('check'), []);
    assert.equal(machine.wanmark('down').status, 0);
  });

  test('by up, check and run: a rule that writes, an ip rule that matches, connections that have a number', () => {
    const [value] = markOf(2).split('/');
    machine.sh(`iptables -t mangle -A FORWARD -j CONNMARK --set-mark 0x500
      ip rule add fwmark ${value} lookup 100
      conntrack -I -p udp -s 10.9.0.9 -d 203.0.113.9 --sport 9 --dport 9 -t 600 -m $((${markOf(40).replace('/', '&')}))`);
    const expected = [
      /iptables mangle FORWARD \(-j CONNMARK --set-xmark 0x500\/0xffffffff\) writes the whole connection mark/,
      new RegExp(
        `1 connection has a mark in the bits of --mask ${WAN_MASK} that wanmark did not give \\(${markOf(40)}\\)`,
      ),
      new RegExp(
        `ip -4 rule \\d+ 'from all fwmark ${value}/0xffffffff lookup 100' of somebody else asks for a mark of WAN wan2`,
      ),
    ];
    const assertNamed = (lines: readonly string[], who: string) => {
      const text = `${who}: ${lines.join('\n')}`;
      assert.equal(lines.length, expected.length, text);
      for (const one of expected) assert.equal(lines.filter((line) => one.test(line)).length, 1, text);
    };
    assertNamed(warnings('up'), 'up');
    assertNamed(warnings('check'), 'check');
    const run = `timeout -s TERM 120 ${process.execPath} ${WANMARK} run --socket /run/s --config ${machine.configFile(config)}`;
    // The daemon looks at the rules and at the connections side by side.
    const log = machine.sh(`${run} | { looks=0; while read -r line; do
      echo "$line"
      case $line in *'did not give'* | *'asks for a mark'*) looks=$((looks + 1)) ;; esac
      [ $looks -lt 2 ] || pkill -TERM -P $$ timeout
    done; } || :`);
    assertNamed(
      log.split('\n').filter((line) => expected.some((one) => one.test(line))),
      'run',
    );
  });
});
