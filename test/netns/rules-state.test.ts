/** What `up`, `down` and `refresh` leave behind, whatever happens to them on the way. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { TRIES_NFT } from '../helpers/backend.js';
import { markOf, WAN_MASK } from '../helpers/marks.js';
import { iptablesLegacy, namespaces, needs, program } from '../helpers/requires.js';
import { type How, Machine, VARIANTS, wans } from './rules-harness.js';

const SERVICES = {
  service: ['web,listen=192.0.1.2:80/tcp', 'six,listen=[2001:db8:1::2]:53/udp,snat=fd09::1'],
  backend: ['web,to=10.9.0.2:8080', 'web,to=10.9.0.3', 'six,to=fd09::2'],
};

/** The shells that the executor may run in. */
const SHELLS: Record<string, string[]> = { nft: ['dash', 'busybox'], legacy: ['dash'] };

/** Other people's rules that must come out as they went in, in every table that we touch. */
const FOREIGN = (programs: Record<string, string>) => `
  for program in ${programs.IPTABLES} ${programs.IP6TABLES}; do
    $program -t mangle -N WANMARKET; $program -t mangle -A PREROUTING -j WANMARKET
    $program -t mangle -A POSTROUTING -m mark --mark 0x1 -m comment --comment "not wanmark" -j RETURN
    $program -t nat -A POSTROUTING -o w1 -m comment --comment wanmark -j MASQUERADE
    $program -t nat -I PREROUTING -i w3 -j RETURN; $program -A INPUT -i w2 -j DROP
  done
  ip rule add fwmark ${markOf(7)} lookup 77 priority 20001; ip route add unreachable 10.77.0.0/16 table 77
  ip -6 rule add from fd77::/16 lookup 77 priority 20000; ip -6 route add unreachable fd77::/16 table 77`;

/**
 * The commands that a saboteur breaks. With one variant every change is broken in turn; with the other only the changes
 * that another program makes there.
 */
const BREAKABLE: Record<string, string[]> = {
  nft: ['ip', 'iptables-restore', 'ip6tables-restore'],
  legacy: ['iptables-legacy-restore', 'ip6tables-legacy-restore'],
};

/**
 * A directory for PATH whose programs do a deed instead of their N-th change, and count the changes in `count`.
 * Look-ups and --test pass.
 */
class Saboteur {
  readonly path = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
  private readonly count = join(this.path, 'count');
  private readonly at = join(this.path, 'at');
  private readonly deed = join(this.path, 'deed');

  constructor(programs: string[]) {
    for (const name of programs) {
      const file = join(this.path, name);
      writeFileSync(
        file,
        `#!/bin/sh
        UNBROKEN=$(PATH=\${PATH#*:}; command -v ${name})
        case "$*" in
        *' show '*|*' get '*|*' show'|*--test*|*neigh*|-V) ;;
        *)
          read -r n <${this.count}; n=$((n + 1)); echo $n >${this.count}
          read -r at <${this.at}
          if [ $n = $at ]; then . ${this.deed}; fi ;;
        esac
        exec "$UNBROKEN" "$@"\n`,
      );
      chmodSync(file, 0o755);
    }
  }

  /** Plans the deed, a text for the shell, for the change with this number; 0 is never reached. */
  plan(number: number, deed: string): void {
    writeFileSync(this.count, '0\n');
    writeFileSync(this.at, `${number}\n`);
    writeFileSync(this.deed, `${deed}\n`);
  }

  /** How many changes there were since the plan was made. */
  get changes(): number {
    return Number(readFileSync(this.count, 'utf8'));
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

const KILL = 'kill -KILL 0';
/** For a batch of `ip`, the deed comes after two of its lines. */
const FAIL =
  '[ ! -r "$3" ] || head -n 2 "$3" | "$UNBROKEN" $1 -batch -; echo injected >&2; echo "Command failed $3:3" >&2; exit 1';

/** The commands that a script echoed. */
const changes = (stderr: string) => stderr.split('\n').filter((line) => line.startsWith('# '));

for (const [variant, programs] of Object.entries(VARIANTS)) {
  describe(`up and down, iptables-${variant}`, needs(variant === 'nft' ? namespaces : iptablesLegacy), () => {
    let machine: Machine;
    const saboteur = new Saboteur(BREAKABLE[variant]!);
    // Another mask holds until `down` where none is given, so each has its own.
    const config = { wan: wans([5, 3, 1], ['', 'nat=none', 'nat6=2001:db8:3:8000::/65']), mask: WAN_MASK };
    // Only a few changes, since each of them is sabotaged in turn.
    const small = { wan: wans([5, 3]).map((wan) => wan.replace(',via6=2001:db8:2::1', '')), mask: WAN_MASK };
    const other = { wan: wans([1, 1]), mask: '0xff00' };

    const run = (verb: string, given?: RawConfig, how: How = {}) =>
      machine.wanmark(verb, given, { env: programs, ...how });
    const ok = (verb: string, given?: RawConfig, how?: How) => {
      const result = run(verb, given, how);
      assert.equal(result.status, 0, result.stderr);
      return result.stderr;
    };
    /** Runs a command with the deed at change `number`; a deed with a signal ends the whole process group. */
    const sabotage = (verb: string, given: RawConfig, number: number, deed: string) => {
      saboteur.plan(number, deed);
      const path = `${saboteur.path}:${process.env.PATH}`;
      if (deed === FAIL) return run(verb, given, { env: { ...programs, PATH: path } });
      return run(verb, given, { before: `PATH=${path} setsid -w` });
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

    for (const shell of SHELLS[variant]!) {
      test(`down after up leaves everything byte-identical, ${shell}`, needs(program(shell)), () => {
        const clean = machine.snapshot();
        ok('up', config, { shell });
        assert.notEqual(machine.snapshot(), clean);
        assert.equal(changes(ok('refresh', undefined, { shell })).length, 0);
        ok('check', undefined, { shell });
        ok('down', undefined, { shell });
        same(clean, 'after down');
        assert.equal(changes(ok('down', undefined, { shell })).length, 0, 'a second down changes nothing');
        same(clean, 'after the second down');
      });
    }

    test('killed at any change, up can be repeated, and down takes all of it away', () => {
      const clean = machine.snapshot();
      sabotage('up', small, 0, KILL);
      const total = saboteur.changes;
      // The changes are each family's tables, and its routes and rules.
      assert.equal(total, variant === 'nft' ? 4 : 2);
      ok('down');
      same(clean, 'the control');
      for (let n = 1; n <= total; n++) {
        for (const mend of [[], ['up']]) {
          assert.equal(sabotage('up', small, n, KILL).status, 137, `change ${n}`);
          for (const verb of mend) ok(verb, small);
          ok('down');
          same(clean, `killed at change ${n}, ${mend} down`);
        }
      }
    });

    test('when any change fails, a first up leaves nothing', () => {
      const clean = machine.snapshot();
      sabotage('up', small, 0, FAIL);
      const total = saboteur.changes;
      ok('down');
      for (let n = 1; n <= total; n++) {
        const result = sabotage('up', small, n, FAIL);
        assert.equal(result.status, 1, result.stderr);
        assert.match(result.stderr, /^wanmark: .*injected/m);
        same(clean, `change ${n} failed`);
        assert.equal(machine.attempt('test -e /run/wanmark/state').status, 1);
      }
    });

    test("when any change fails, a second up leaves the first one's rules", () => {
      const clean = machine.snapshot();
      ok('up', small);
      const first = machine.snapshot();
      sabotage('up', other, 0, FAIL);
      const total = saboteur.changes;
      ok('up', small);
      for (let n = 1; n <= total; n++) {
        const result = sabotage('up', other, n, FAIL);
        assert.equal(result.status, 1, `change ${n}: ${result.stderr}`);
        alike(first, `change ${n} failed`);
      }
      ok('down');
      same(clean, 'after down');
    });

    test('up again with the same configuration changes nothing and keeps the counters; so does refresh', () => {
      ok('up', config);
      const before = machine.sh(`${programs.IPTABLES}-save -c; ${programs.IP6TABLES}-save -c`);
      assert.deepEqual(changes(ok('up', config)), []);
      assert.deepEqual(changes(ok('refresh')), []);
      assert.equal(
        machine.sh(`${programs.IPTABLES}-save -c; ${programs.IP6TABLES}-save -c`).replace(/^#.*\n/gm, ''),
        before.replace(/^#.*\n/gm, ''),
      );
      ok('down');
    });

    test('up repairs what others removed', () => {
      ok('up', config);
      const wanted = machine.snapshot();
      machine.sh(`${programs.IPTABLES} -t mangle -F WANMARK; ${programs.IP6TABLES} -t mangle -D PREROUTING \
        -m comment --comment wanmark -j WANMARK; ip rule del priority 20000; ip route flush table 1002`);
      assert.notEqual(machine.snapshot(), wanted);
      ok('up', config);
      same(wanted, 'repaired');
      ok('down');
    });

    test('any order of verbs and configurations ends clean (seed 7)', () => {
      const clean = machine.snapshot();
      let state = 7;
      const random = (below: number) => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 16) % below;
      };
      // The WANs have configured marks; otherwise they would keep those of earlier configurations.
      const marked = (given: { wan: string[] }) => ({
        ...given,
        wan: given.wan.map((wan, i) => `${wan},mark=${i + 1}`),
      });
      const configurations: RawConfig[] = [
        marked(config),
        marked(other),
        { ...marked(config), engine: 'kernel' },
        { wan: 'solo,dev=w2,via=dev,mark=1', mask: WAN_MASK, 'log-kernel': true },
        { wan: 'six,dev=w3,via6=2001:db8:3::1,mark=1', mask: WAN_MASK, table: 5000 },
        { ...marked(config), ...SERVICES, 'forward-accept': true },
        { ...SERVICES, mask: WAN_MASK, engine: 'kernel', 'kernel-mode': 'nth' },
      ];
      const expected = new Map<number, string>();
      for (let i = 0; i < (variant === 'nft' ? 16 : 8); i++) {
        const which = random(configurations.length);
        if (random(4) === 0) ok('down');
        ok('up', configurations[which]!);
        // The same configuration looks the same, whatever was there before it. Only the order of user chains, and of
        // our jumps among each other, depends on the history.
        const now = machine.snapshot().split('\n').sort().join('\n');
        const known = expected.get(which);
        // Tables made for an earlier configuration stay until down.
        const plain = (text: string) => text.replace(/^(\*|:[A-Z]+ ACCEPT|COMMIT).*\n/gm, '');
        if (known === undefined) expected.set(which, now);
        else assert.equal(plain(now), plain(known), `step ${i}, configuration ${which}`);
      }
      ok('down');
      same(clean, 'after all');
    });

    // The variant makes no difference to these.
    if (variant === 'nft') {
      test('a terminated up is rolled back, too', () => {
        const clean = machine.snapshot();
        const result = sabotage('up', small, 4, 'kill -TERM 0');
        assert.notEqual(result.status, 0);
        ok('down');
        same(clean, 'after down');
      });

      test('up again with one WAN more touches neither jumps nor the rules of the others', () => {
        ok('up', { wan: wans([5, 3]) });
        const done = changes(ok('up', { wan: wans([5, 3, 1]) }));
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
              `-${family} rule add priority 20000 fwmark ${markOf(3)} iif w3 lookup main protocol 119`,
              `-${family} rule add priority 20001 fwmark ${markOf(3)} lookup 1003 protocol 119`,
              `-${family} rule add priority 20002 from ${net}2 lookup 1003 protocol 119`,
            ];
          }),
        );
        ok('down');
      });

      test('refresh follows routes, addresses and links, and only up starts', () => {
        const refused = run('refresh');
        assert.equal(refused.status, 1);
        assert.match(refused.stderr, /not up/);
        const clean = machine.snapshot();
        ok('up', config);
        const wanted = machine.snapshot();
        machine.sh(
          'ip link set w2 down; ip route add 10.50.0.0/16 via 10.9.0.2; ip addr add 192.0.3.9/24 dev w3',
        );
        const done = ok('refresh');
        assert.match(done, /^wanmark: WAN wan2: w2 is down.*left out$/m);
        assert.match(machine.sh('ip rule'), /from 192.0.3.9 lookup 1003/);
        assert.match(machine.sh(`${programs.IPTABLES}-save`), /WANMARK_NEW -d 10.50.0.0\/16 -j RETURN/);
        machine.sh('ip link set w2 up; ip route del 10.50.0.0/16; ip addr del 192.0.3.9/24 dev w3');
        machine.sh('ip addr replace 2001:db8:2::2/64 dev w2');
        machine.until('ip -6 route get fibmatch 2001:db8:2::1 oif w2 | grep -q kernel');
        machine.until('[ "$(ip -6 route show table local type multicast | grep -c .)" = 4 ]');
        ok('refresh');
        alike(wanted, 'after the second refresh');
        ok('down');
        alike(clean, 'after down');
      });

      test('a second script waits for the lock and says who holds it', () => {
        const result = run('up', config, {
          env: { ...programs, WANMARK_LOCK_SECONDS: '0' },
          before: 'mkdir -p /run/wanmark; flock /run/wanmark/lock',
        });
        assert.equal(result.status, 1);
        assert.match(result.stderr, /^wanmark: another wanmark script holds \/run\/wanmark\/lock/m);
      });

      test('no other user can take the lock, nor one that was left open to them', () => {
        const lock = '/run/wanmark/lock';
        const mode = () => machine.sh(`stat -c %a ${lock}`).trim();
        for (const before of [`rm -f ${lock}`, `chmod 644 ${lock}`]) {
          machine.sh(before);
          ok('up', config);
          assert.equal(mode(), '600', before);
        }
        machine.sh(`chmod 644 ${lock}`);
        ok('down');
        assert.equal(mode(), '600');
        for (const other of ['mkfifo', 'ln -s /run/victim']) {
          machine.sh(`: >/run/victim && rm -f ${lock} && ${other} ${lock}`);
          const { status, stderr } = run('up', config);
          assert.match(stderr, /^wanmark: \/run\/wanmark\/lock is not a regular file; move it away$/m, other);
          assert.equal(status, 1);
        }
        assert.equal(machine.sh('stat -c %a /run/victim').trim(), '644');
        machine.sh(`rm /run/victim ${lock}`);
      });

      test('nobody else can write what a root without a umask wrote', () => {
        for (const verb of ['up', 'refresh'] as const) {
          const { status, stderr } = run(verb, verb === 'up' ? config : undefined, {
            before: 'umask 0; env',
          });
          assert.equal(status, 0, stderr);
          assert.equal(machine.sh('find /run/wanmark -perm /022'), '', verb);
        }
        ok('down');
      });

      test("on another version's rules only up and down work", () => {
        const clean = machine.snapshot();
        ok('up', config);
        const wanted = machine.snapshot();
        for (const mend of ['up', 'down'] as const) {
          // A state as an older version left it: that version read its environment again, and did not keep a plan.
          machine.sh(
            `cd /run/wanmark/state; rm -r plan.json want have; echo IPTABLES=${programs.IPTABLES} >settings`,
          );
          for (const verb of ['refresh', 'check']) {
            const { status, stderr } = run(verb);
            assert.deepEqual(
              [status, stderr],
              [1, "wanmark: the rules are another version's; run 'wanmark up' again\n"],
              verb,
            );
          }
          same(wanted, 'nothing was changed');
          ok(mend, mend === 'up' ? config : undefined);
          if (mend === 'up') alike(wanted, 'all of it again');
        }
        same(clean, 'after down');
      });
    }

    // The last test, because foreign rules make tables.
    test('foreign rules come out as they went in', () => {
      machine.sh(FOREIGN(programs));
      const foreign = machine.snapshot();
      ok('up', config);
      assert.notEqual(machine.snapshot(), foreign);
      ok('up', other);
      ok('down');
      same(foreign, 'after down');
    });
  });
}

describe('variants of iptables', needs(iptablesLegacy), () => {
  let machine: Machine;
  const { nft, legacy } = VARIANTS as { nft: Record<string, string>; legacy: Record<string, string> };
  const config = { wan: wans([1, 1]) };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.loadLegacy();
  });
  after(() => machine.stop());

  test('iptables and ip6tables of two variants are refused', () => {
    const result = machine.wanmark('up', config, { env: { ...nft, IP6TABLES: 'ip6tables-legacy' } });
    assert.equal(result.status, 1);
    assert.match(
      result.stderr,
      /^wanmark: iptables is nft and ip6tables-legacy is legacy; set .* same variant$/m,
    );
  });

  // Rules in nft are none of either.
  test('rules of the other variant are refused, and down takes both away', { skip: TRIES_NFT }, () => {
    const clean = machine.snapshot();
    for (const [one, two] of [
      [nft, legacy],
      [legacy, nft],
    ] as const) {
      assert.equal(machine.wanmark('up', config, { env: one }).status, 0);
      const result = machine.wanmark('up', config, { env: two });
      assert.equal(result.status, 1);
      assert.match(result.stderr, /holds wanmark rules, too; remove them first/);
      assert.equal(machine.wanmark('down', undefined, { env: two }).status, 0);
      assert.equal(machine.snapshot(), clean);
    }
  });
});
