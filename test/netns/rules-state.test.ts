/** `up`, `down`, `refresh`: what they leave behind, whatever happens to them on the way. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { iptablesLegacy, namespaces, needs, program } from '../helpers/requires.js';
import { Machine, SCRIPTS, VARIANTS, wans } from './rules-harness.js';

const SERVICES = {
  WANMARK_SERVICES: 'name=web listen=192.0.1.2:80/tcp; name=six listen=[2001:db8:1::2]:53/udp snat=fd09::1',
  WANMARK_BACKENDS: 'service=web to=10.9.0.2:8080; service=web to=10.9.0.3; service=six to=fd09::2',
};

const SHELLS = { dash: 'dash', busybox: 'busybox ash' };

/** Rules of other people that must come out as they went in, in every table that we touch. */
const FOREIGN = (programs: Record<string, string>) => `
  for program in ${programs.IPTABLES} ${programs.IP6TABLES}; do
    $program -t mangle -N WANMARKET; $program -t mangle -A PREROUTING -j WANMARKET
    $program -t mangle -A POSTROUTING -m mark --mark 0x1 -m comment --comment "not wanmark" -j RETURN
    $program -t nat -A POSTROUTING -o w1 -m comment --comment wanmark -j MASQUERADE
    $program -t nat -I PREROUTING -i w3 -j RETURN; $program -A INPUT -i w2 -j DROP
  done
  ip rule add fwmark 0x7/0xff lookup 77 priority 20001; ip route add unreachable 10.77.0.0/16 table 77
  ip -6 rule add from fd77::/16 lookup 77 priority 20000; ip -6 route add unreachable fd77::/16 table 77`;

/**
 * What a saboteur breaks. With one variant every change is broken in its turn; with the other only those that another
 * program makes there.
 */
const BREAKABLE: Record<string, string[]> = {
  nft: ['ip', 'iptables-restore', 'ip6tables-restore'],
  legacy: ['iptables-legacy-restore', 'ip6tables-legacy-restore'],
};

/**
 * A directory for PATH whose programs do `DEED` instead of their N-th change, and say in `count` how many changes
 * there were. Look-ups and --test pass.
 */
class Saboteur {
  private readonly dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
  readonly count = join(this.dir, 'count');

  constructor(programs: string[]) {
    for (const name of programs) {
      const file = join(this.dir, name);
      writeFileSync(
        file,
        `#!/bin/sh
        case "$*" in
        *' show '*|*' get '*|*' show'|*--test*|*neigh*) ;;
        *)
          n=$(($(cat ${this.count}) + 1)); echo $n > ${this.count}
          if [ $n = "$SABOTAGE_AT" ]; then eval "$SABOTAGE_DEED"; fi ;;
        esac
        PATH=\${PATH#*:}; exec ${name} "$@"\n`,
      );
      chmodSync(file, 0o755);
    }
  }

  /** Runs `verb` with the deed at change `number`; the script leads a process group of its own. */
  run(machine: Machine, verb: string, env: Record<string, string>, number: number, deed: string) {
    writeFileSync(this.count, '0\n');
    return machine.attempt(`PATH=${this.dir}:$PATH setsid -w sh ${SCRIPTS}wanmark.sh ${verb}`, {
      ...env,
      SABOTAGE_AT: String(number),
      SABOTAGE_DEED: deed,
    });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true });
  }
}

const KILL = 'kill -KILL 0';
const FAIL = 'echo injected >&2; exit 1';

/** The commands that a script echoed. */
const changes = (stderr: string) => stderr.split('\n').filter((line) => line.startsWith('# '));

for (const [variant, programs] of Object.entries(VARIANTS)) {
  describe(`up and down, iptables-${variant}`, needs(variant === 'nft' ? namespaces : iptablesLegacy), () => {
    let machine: Machine;
    const saboteur = new Saboteur(BREAKABLE[variant]!);
    const env = { ...programs, WANMARK_WANS: wans([5, 3, 1], ['', 'nat=none', 'nat6=2001:db8:3:8000::/65']) };
    // Few changes, because each of them is sabotaged in its turn.
    const small = { ...programs, WANMARK_WANS: wans([5, 3]).replace(/ via6=2001:db8:2::1/, '') };
    const other = { ...programs, WANMARK_WANS: wans([1, 1]), WANMARK_MASK: '0xff00' };

    const ok = (verb: string, environment: Record<string, string>, options = {}) => {
      const result = machine.script(verb, environment, options);
      assert.equal(result.status, 0, result.stderr);
      return result.stderr;
    };
    const same = (expected: string, what: string) => assert.equal(machine.snapshot(), expected, what);
    // Our rules of one priority exclude each other, so they may change places, and so may IPv6 routes of one length.
    const sorted = (text: string) => text.split('\n').sort();
    const alike = (expected: string, what: string) =>
      assert.deepEqual(sorted(machine.snapshot()), sorted(expected), what);

    before(async () => {
      machine = await Machine.start();
      machine.buildNetwork();
      if (variant === 'legacy') machine.loadLegacy();
    });
    after(async () => {
      saboteur.remove();
      await machine.stop();
    });

    for (const [name, shell] of Object.entries(SHELLS)) {
      test(
        `down after up leaves everything byte-identical, ${name}`,
        needs(program(shell.split(' ')[0]!)),
        () => {
          const clean = machine.snapshot();
          ok('up', env, { shell });
          assert.notEqual(machine.snapshot(), clean);
          ok('down', env, { shell });
          same(clean, 'after down');
          assert.equal(changes(ok('down', env, { shell })).length, 0, 'a second down changes nothing');
          same(clean, 'after the second down');
        },
      );
    }

    test('each script does and undoes its own part', () => {
      const clean = machine.snapshot();
      for (const file of ['rules.sh', 'nat.sh', 'routes.sh']) {
        ok('up', env, { file });
        assert.notEqual(machine.snapshot(), clean, file);
        ok('down', env, { file });
        same(clean, file);
      }
    });

    test('what print shows is what up does', () => {
      const clean = machine.snapshot();
      ok('up', env);
      const wanted = machine.snapshot();
      ok('down', env);
      machine.sh(machine.script('print', env).stdout);
      same(wanted, 'after the printed script');
      // No state knows of it: only src_valid_mark cannot be taken back.
      ok('down', env);
      machine.sh('for k in 1 2 3; do echo 0 > /proc/sys/net/ipv4/conf/w$k/src_valid_mark; done');
      assert.equal(
        machine.snapshot().replace(/\*(mangle|nat)\n(:.*\n)+COMMIT\n/g, ''),
        clean.replace(/\*(mangle|nat)\n(:.*\n)+COMMIT\n/g, ''),
      );
      for (const program of [programs.IPTABLES, programs.IP6TABLES]) {
        if (variant === 'nft')
          machine.sh(`printf '*mangle\\nCOMMIT\\n*nat\\nCOMMIT\\n' | ${program}-restore`);
      }
      same(clean, 'the control');
    });

    test('killed before any of its changes, up is undone by down', () => {
      const clean = machine.snapshot();
      saboteur.run(machine, 'up', small, 0, KILL);
      const total = Number(machine.sh(`cat ${saboteur.count}`));
      // Both families' rules and NAT are the least.
      assert.ok(total >= (variant === 'nft' ? 14 : 4), `only ${total} changes`);
      ok('down', small);
      same(clean, 'the control');
      for (let n = 1; n <= total; n++) {
        assert.equal(saboteur.run(machine, 'up', small, n, KILL).status, 137, `change ${n}`);
        ok('down', small);
        same(clean, `killed at change ${n}`);
      }
    });

    test('killed at any change, up can be repeated, and down is still complete', () => {
      const clean = machine.snapshot();
      for (const n of variant === 'nft' ? [1, 4, 9, 13, 15] : [1, 4]) {
        saboteur.run(machine, 'up', small, n, KILL);
        ok('up', small);
        ok('down', small);
        same(clean, `killed at change ${n}`);
      }
    });

    test('when any change fails, a first up leaves nothing', () => {
      const clean = machine.snapshot();
      saboteur.run(machine, 'up', small, 0, FAIL);
      const total = Number(machine.sh(`cat ${saboteur.count}`));
      ok('down', small);
      for (let n = 1; n <= total; n++) {
        const result = saboteur.run(machine, 'up', small, n, FAIL);
        assert.equal(result.status, 1, result.stderr);
        assert.match(result.stderr, /^wanmark: .*injected/m);
        same(clean, `change ${n} failed`);
        assert.equal(machine.attempt('test -e /run/wanmark/state').status, 1);
      }
    });

    test('when any change fails, a second up leaves what the first one made', () => {
      const clean = machine.snapshot();
      ok('up', small);
      const first = machine.snapshot();
      saboteur.run(machine, 'up', other, 0, FAIL);
      const total = Number(machine.sh(`cat ${saboteur.count}`));
      ok('up', small);
      for (let n = 1; n <= total; n++) {
        const result = saboteur.run(machine, 'up', other, n, FAIL);
        assert.equal(result.status, 1, `change ${n}: ${result.stderr}`);
        alike(first, `change ${n} failed`);
      }
      ok('down', small);
      same(clean, 'after down');
    });

    test('a terminated up is rolled back, too', () => {
      const clean = machine.snapshot();
      const result = saboteur.run(machine, 'up', small, variant === 'nft' ? 9 : 2, 'kill -TERM 0');
      assert.notEqual(result.status, 0);
      ok('down', small);
      same(clean, 'after down');
    });

    test('up again with the same changes nothing and keeps the counters; refresh likewise', () => {
      ok('up', env);
      const before = machine.sh(`${programs.IPTABLES}-save -c; ${programs.IP6TABLES}-save -c`);
      assert.deepEqual(changes(ok('up', env)), []);
      assert.deepEqual(changes(ok('refresh', env)), []);
      assert.equal(
        machine.sh(`${programs.IPTABLES}-save -c; ${programs.IP6TABLES}-save -c`).replace(/^#.*\n/gm, ''),
        before.replace(/^#.*\n/gm, ''),
      );
      ok('down', env);
    });

    test('up again with one WAN more touches neither jumps nor the rules of the others', () => {
      ok('up', { ...env, WANMARK_WANS: wans([5, 3]) });
      const done = changes(ok('up', { ...env, WANMARK_WANS: wans([5, 3, 1]) }));
      assert.deepEqual(
        done.filter((line) => / (PREROUTING|INPUT|OUTPUT|POSTROUTING) /.test(line)),
        [],
      );
      assert.deepEqual(
        done.filter((line) => line.startsWith('# ip ')).map((line) => line.replace('# ip ', '')),
        [4, 6].flatMap((family) => {
          const net = family === 4 ? '192.0.3.' : '2001:db8:3::';
          return [
            `-${family} route replace default via ${net}1 dev w3 table 1003 protocol 119`,
            `-${family} rule add priority 20001 fwmark 0x3/0xff lookup 1003 protocol 119`,
            `-${family} rule add priority 20002 from ${net}2 lookup 1003 protocol 119`,
          ];
        }),
      );
      ok('down', env);
    });

    test('up repairs what others removed', () => {
      ok('up', env);
      const wanted = machine.snapshot();
      machine.sh(`${programs.IPTABLES} -t mangle -F WANMARK; ${programs.IP6TABLES} -t mangle -D PREROUTING \
        -m comment --comment wanmark -j WANMARK; ip rule del priority 20000; ip route flush table 1002`);
      assert.notEqual(machine.snapshot(), wanted);
      ok('up', env);
      same(wanted, 'repaired');
      ok('down', env);
    });

    test('refresh follows routes, addresses and links, and only up starts', () => {
      const refused = machine.script('refresh', env);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /not up/);
      const clean = machine.snapshot();
      ok('up', env);
      const wanted = machine.snapshot();
      machine.sh(
        'ip link set w2 down; ip route add 10.50.0.0/16 via 10.9.0.2; ip addr add 192.0.3.9/24 dev w3',
      );
      const done = ok('refresh', env);
      assert.match(done, /^wanmark: WAN wan2: w2 is down.*left out$/m);
      assert.match(machine.sh('ip rule'), /from 192.0.3.9 lookup 1003/);
      assert.match(machine.sh(`${programs.IPTABLES}-save`), /WANMARK_NEW -d 10.50.0.0\/16 -j RETURN/);
      machine.sh('ip link set w2 up; ip route del 10.50.0.0/16; ip addr del 192.0.3.9/24 dev w3');
      machine.sh('ip addr replace 2001:db8:2::2/64 dev w2');
      machine.until('ip -6 route get fibmatch 2001:db8:2::1 oif w2 | grep -q kernel');
      machine.until('[ "$(ip -6 route show table local type multicast | grep -c .)" = 4 ]');
      ok('refresh', env);
      alike(wanted, 'after the second refresh');
      ok('down', env);
      alike(clean, 'after down');
    });

    test('a second script waits for the lock and says who holds it', () => {
      const script = `mkdir -p /run/wanmark; flock /run/wanmark/lock sh ${SCRIPTS}wanmark.sh up`;
      const result = machine.attempt(script, { ...env, WANMARK_LOCK_SECONDS: '0' });
      assert.equal(result.status, 1);
      assert.match(result.stderr, /^wanmark: another wanmark script holds \/run\/wanmark\/lock/m);
    });

    test('no other user can take the lock, nor one that was left open to them', () => {
      const lock = '/run/wanmark/lock';
      const mode = () => machine.sh(`stat -c %a ${lock}`).trim();
      for (const before of [`rm -f ${lock}`, `chmod 644 ${lock}`]) {
        machine.sh(before);
        ok('up', env);
        assert.equal(mode(), '600', before);
      }
      machine.sh(`chmod 644 ${lock}`);
      ok('down', env);
      assert.equal(mode(), '600');
    });

    test('any order of verbs and configurations ends clean (seed 7)', () => {
      const clean = machine.snapshot();
      let state = 7;
      const random = (below: number) => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 16) % below;
      };
      const configurations = [
        env,
        other,
        { ...env, WANMARK_ENGINE: 'kernel' },
        { ...programs, WANMARK_WANS: 'name=solo dev=w2 via=dev', WANMARK_LOG_KERNEL: '1' },
        { ...programs, WANMARK_WANS: 'name=six dev=w3 via6=2001:db8:3::1', WANMARK_TABLE: '5000' },
        { ...env, ...SERVICES, WANMARK_FORWARD_ACCEPT: '1' },
        { ...programs, ...SERVICES, WANMARK_ENGINE: 'kernel', WANMARK_KERNEL_MODE: 'nth' },
      ];
      const expected = new Map<number, string>();
      for (let i = 0; i < (variant === 'nft' ? 25 : 12); i++) {
        const which = random(configurations.length);
        if (random(4) === 0) ok('down', configurations[which]!);
        ok('up', configurations[which]!);
        // The same configuration looks the same, whatever was there before it; only the order of user chains
        // and of our jumps among each other is the table's own.
        const now = machine.snapshot().split('\n').sort().join('\n');
        const known = expected.get(which);
        // Tables made for an earlier configuration stay until down.
        const plain = (text: string) => text.replace(/^(\*|:[A-Z]+ ACCEPT|COMMIT).*\n/gm, '');
        if (known === undefined) expected.set(which, now);
        else assert.equal(plain(now), plain(known), `step ${i}, configuration ${which}`);
      }
      ok('down', env);
      same(clean, 'after all');
    });

    // Last, because foreign rules make tables.
    test('foreign rules come out as they went in', () => {
      machine.sh(FOREIGN(programs));
      const foreign = machine.snapshot();
      ok('up', env);
      assert.notEqual(machine.snapshot(), foreign);
      ok('up', other);
      ok('down', other);
      same(foreign, 'after down');
    });
  });
}

describe('variants of iptables', needs(iptablesLegacy), () => {
  let machine: Machine;
  const { nft, legacy } = VARIANTS as { nft: Record<string, string>; legacy: Record<string, string> };
  const WANMARK_WANS = wans([1, 1]);

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.loadLegacy();
  });
  after(() => machine.stop());

  test('iptables and ip6tables of two variants are refused', () => {
    const result = machine.script('up', { WANMARK_WANS, ...nft, IP6TABLES: 'ip6tables-legacy' });
    assert.equal(result.status, 1);
    assert.match(
      result.stderr,
      /^wanmark: iptables is nft and ip6tables-legacy is legacy; set .* same variant$/m,
    );
  });

  test('rules of the other variant are refused, and down takes both away', () => {
    const clean = machine.snapshot();
    for (const [one, two] of [
      [nft, legacy],
      [legacy, nft],
    ] as const) {
      assert.equal(machine.script('up', { WANMARK_WANS, ...one }).status, 0);
      const result = machine.script('up', { WANMARK_WANS, ...two });
      assert.equal(result.status, 1);
      assert.match(result.stderr, /holds wanmark rules, too; remove them first/);
      assert.equal(machine.script('down', two).status, 0);
      assert.equal(machine.snapshot(), clean);
    }
  });
});
