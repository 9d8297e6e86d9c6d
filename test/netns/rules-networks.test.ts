/**
 * Many specific routes, as of a router that speaks BGP: one rule asks a set that the kernel keeps, and the set goes
 * through everything that the rules go through.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addon, namespaces, needs } from '../helpers/requires.js';
import { Machine, VARIANTS, wans } from './rules-harness.js';

const MANY = 300;
const SET_MODULE = new URL(import.meta.resolve('#wanmark/system/rtnetlink/kernel-set.js')).pathname;

for (const [variant, env] of Object.entries(VARIANTS)) {
  describe(`many specific routes, iptables-${variant}`, needs(namespaces, addon), () => {
    let machine: Machine;
    let clean: string;
    const config = { wan: wans([1, 1]) };

    before(async () => {
      machine = await Machine.start();
      machine.buildNetwork();
      if (variant === 'legacy') machine.loadLegacy();
      clean = machine.snapshot();
      const routes = Array.from({ length: MANY }, (_, i) => [
        `route add 10.${100 + (i >> 8)}.${i & 255}.0/25 via 192.0.2.1`,
        `route add 2001:db8:${(1000 + i).toString(16)}::/48 via 2001:db8:2::1`,
      ]).flat();
      machine.sh(`ip -batch - <<'EOF'\n${routes.join('\n')}\nEOF`);
    });
    after(() => machine.stop());

    /** The networks of a set, or undefined. */
    const networks = (family: number): string[] | undefined => {
      const program = `import { KernelSet } from '${SET_MODULE}';
        console.log(JSON.stringify([...new KernelSet('WANMARK_${family}', ${family}).networks() ?? ['none']]));`;
      const all = JSON.parse(
        machine.sh(`${process.execPath} --input-type=module -e "$program"`, { program }),
      );
      return all[0] === 'none' ? undefined : all;
    };
    const rules = () =>
      machine.sh(`$IPTABLES -t mangle -S WANMARK_NEW; $IP6TABLES -t mangle -S WANMARK_NEW`, env);
    const run = (verb: string, status = 0) => {
      const result = machine.wanmark(verb, verb === 'up' ? config : undefined, { env });
      assert.equal(result.status, status, result.stderr);
      return result.stderr;
    };

    test('up makes one rule of them, and the same up again nothing', () => {
      run('up');
      assert.match(rules(), /-m set --match-set WANMARK_4 dst -j RETURN/);
      assert.match(rules(), /-m set --match-set WANMARK_6 dst -j RETURN/);
      assert.doesNotMatch(rules(), / -d /);
      assert.ok(networks(4)!.length >= MANY && networks(4)!.includes('10.100.7.0/25'));
      assert.ok(networks(6)!.includes('fe80::/10') && networks(6)!.includes('2001:db8:3e8::/48'));
      assert.match(run('up'), /already up/);
      run('check');
    });

    test('a refresh follows a route that comes, goes, or covers others, without touching a rule', () => {
      machine.sh('ip route add 10.100.0.0/18 via 192.0.2.1; ip route del 10.101.1.0/25');
      assert.equal(run('refresh'), '');
      const now = networks(4)!;
      assert.ok(
        now.includes('10.100.0.0/18') && !now.includes('10.100.7.0/25') && !now.includes('10.101.1.0/25'),
      );
      machine.sh('ip route del 10.100.0.0/18');
      run('refresh');
      assert.ok(networks(4)!.includes('10.100.7.0/25'));
    });

    test('an up that fails leaves the sets as they were', () => {
      machine.sh('ip route add 10.99.0.0/16 via 192.0.2.1');
      const had = networks(4)!.toSorted();
      machine.sh(
        `mkdir -p /tmp/w && for end in '' -save; do ln -sf "$(command -v $IPTABLES$end)" /tmp/w/fails$end; done
        printf '#!/bin/sh\\nfor word; do [ "$word" != --test ] || exec %s-restore "$@"; done\\necho no >&2; exit 1\\n' \
          "$IPTABLES" >/tmp/w/fails-restore; chmod +x /tmp/w/fails-restore`,
        env,
      );
      const failed = machine.wanmark(
        'up',
        { ...config, 'log-kernel': true },
        {
          env: { ...env, IPTABLES: '/tmp/w/fails' },
        },
      );
      assert.equal(failed.status, 1, failed.stderr);
      assert.deepEqual(networks(4)!.toSorted(), had);
      assert.match(rules(), /--match-set WANMARK_4/);
      run('refresh');
      assert.ok(networks(4)!.includes('10.99.0.0/16'));
      machine.sh('ip route del 10.99.0.0/16');
    });

    test('few routes are rules again, and the set goes', () => {
      machine.sh(
        'ip -6 route show | sed -n "s/^\\(2001:db8:[0-9a-f]*::\\/48\\).*/route del \\1/p" | ip -6 -batch -',
      );
      run('refresh');
      assert.equal(networks(6), undefined);
      assert.match(rules(), /-d fe80::\/10 -j RETURN/);
      assert.match(rules(), /--match-set WANMARK_4/);
    });

    test('down removes everything, also what a killed up left', () => {
      run('down');
      assert.equal(networks(4), undefined);
      const program = `import { KernelSet } from '${SET_MODULE}'; new KernelSet('WANMARK_6', 6).create();`;
      machine.sh(`${process.execPath} --input-type=module -e "$program"`, { program });
      run('down');
      assert.equal(networks(6), undefined);
      machine.sh('ip route show | sed -n "s/^\\(10\\.10[01][^ ]*\\).*/route del \\1/p" | ip -batch -');
      assert.equal(machine.snapshot(), clean);
    });
  });
}
