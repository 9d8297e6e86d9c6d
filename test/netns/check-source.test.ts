/** A probe has the source address that the kernel chooses: a check must not fail for an address that leads nowhere. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { CheckPath } from '#wanmark/wan/check/check.js';
import type { Checked } from '../helpers/checker.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { Machine, SERVER6 } from './rules-harness.js';

const CHECKER = fileURLToPath(new URL('../helpers/checker.js', import.meta.url));
const PORT = '7000';
/** Prints the source address that a script learns. */
const SCRIPT =
  '#!/bin/sh\n[ "$WANMARK_SOURCE" = "$(cat /run/wanted)" ] || { echo "$WANMARK_SOURCE"; exit 1; }\n';

describe('the source of a check', needs(nfqueue, addon), () => {
  let machine: Machine;
  const check = (path: CheckPath): string[] => {
    const texts = [`ping,to=${SERVER6}`, `tcp,to=[${SERVER6}]:${PORT}`, 'script,to=/run/source'];
    const all = texts.map((text) => `'all=${text},timeout=5'`).join(' ');
    const out = machine.sh(`'${process.execPath}' '${CHECKER}' '${JSON.stringify(path)}' 1 ${all}`);
    const lines = out.trim().split('\n');
    return lines.map((line) => {
      const { ok, why } = (JSON.parse(line) as Checked).results[0]!;
      return ok ? 'ok' : why;
    });
  };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    const server = await machine.peer(['serve', PORT, '203.0.113.1', SERVER6], 'inet');
    assert.equal(await server.line(), 'ready');
    machine.sh(`cat > /run/source <<'X'\n${SCRIPT}X\nchmod +x /run/source`);
  });
  after(() => machine.stop());

  test('is neither a unique local address nor a deprecated one, with a gateway in no network of either', () => {
    const config = {
      mask: '0xff',
      wan: ['a,dev=w1,via6=fe80::1,nat6=none', 'b,dev=w2,via6=fe80::1,nat6=none'],
    };
    assert.equal(machine.wanmark('up', config).status, 0);
    const path: CheckPath = { wan: 'b', family: 6, mark: 2, device: 'w2', gateway: 'fe80::1' };
    // The address that was added last is the first that a program sees.
    machine.sh('ip addr add fd77::2/64 dev w2; echo 2001:db8:2::2 > /run/wanted');
    assert.deepEqual(check(path), ['ok', 'ok', 'ok']);
    machine.sh(`ip addr add 2001:db8:2:77::2/64 dev w2; ip -n inet route add 2001:db8:2:77::/64 via fe80::2 dev g2
      ip addr change 2001:db8:2::2/64 dev w2 preferred_lft 0 valid_lft 7200
      ip -n inet addr del 2001:db8:2::1/64 dev g2; echo 2001:db8:2:77::2 > /run/wanted`);
    assert.deepEqual(check(path), ['ok', 'ok', 'ok']);
    assert.equal(machine.wanmark('down').status, 0);
  });
});
