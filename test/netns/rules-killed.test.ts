/**
 * kill -9 of the executor at each program that it starts during `up`, `refresh` and `down`: the next command puts the
 * machine right, and meanwhile each mark that connections are given leads somewhere and is translated.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { markOf, WAN_FIELD } from '../helpers/marks.js';
import { iptablesLegacy, namespaces, needs } from '../helpers/requires.js';
import type { Answer, Request } from './rules-actor.js';
import { Assassin } from './rules-assassin.js';
import { ACTOR, type Env, Machine, type Peer, VARIANTS, wans } from './rules-harness.js';

/** One variant is killed at every program; the other only at programs that differ. */
const WHICH: Record<string, string> = { nft: '*', legacy: '*-restore' };
const CONFIG = { wan: wans([5, 3]).map((wan) => wan.replace(',via6=2001:db8:2::1', '')) };
const KILLED = /^scripts\/wanmark\.sh was ended by SIGKILL; run 'wanmark up' .* 'wanmark down'/;

/**
 * The distance from one program to the next at which the executor is killed. All of them take minutes, so that is a command
 * of its own: `WANMARK_TEST_KILL=every npm test -- netns/rules-killed`.
 */
const strideOf = (which: string) => (which === '*' && process.env.WANMARK_TEST_KILL !== 'every' ? 9 : 1);

/** The commands that put things right; each result is checked. */
type Mend = (where: string) => Promise<void>;

/** A machine whose executor can be killed. */
class Scene {
  readonly which: string;
  readonly machine: Machine;
  readonly #assassin: Assassin;
  readonly #actor: Peer;
  readonly #programs: Env;

  private constructor(variant: string, machine: Machine, assassin: Assassin, actor: Peer) {
    this.which = WHICH[variant]!;
    this.#programs = VARIANTS[variant]!;
    this.machine = machine;
    this.#assassin = assassin;
    this.#actor = actor;
  }

  static async start(variant: string): Promise<Scene> {
    const machine = await Machine.start();
    machine.buildNetwork();
    if (variant === 'legacy') machine.loadLegacy();
    const assassin = new Assassin(machine.directory);
    const path = { PATH: `${assassin.path}:${process.env.PATH}` };
    const actor = await machine.peer([], undefined, ACTOR, { ...VARIANTS[variant], ...path });
    return new Scene(variant, machine, assassin, actor);
  }

  async act(request: Request): Promise<Answer> {
    return JSON.parse((await this.#actor.ask(JSON.stringify(request)))!);
  }

  /** The texts after an undisturbed run. */
  async do(request: Request): Promise<void> {
    this.#assassin.rest();
    const { code, said } = await this.act(request);
    assert.equal(code, 0, said.join('\n'));
  }

  /** Everything that the executor may touch. Rules of one priority and IPv6 routes of one length may change places. */
  everything(): string[] {
    return this.machine.snapshot().split('\n').sort();
  }

  /** The parts that the executor changes, by family. */
  look(): string[] {
    const [four, six] = [this.#programs.IPTABLES, this.#programs.IP6TABLES].map((program, i) => {
      const ip = `ip -${4 + 2 * i}`;
      return `${program}-save | sed -e '/^#/d' -e 's/ \\[[0-9:]*\\]$//'; ${ip} rule; ${ip} route show table all proto 119`;
    });
    const settings = 'grep . /proc/sys/net/ipv4/conf/w?/src_valid_mark';
    return this.machine.sh(`${settings}; ${four}; echo ==; ${six}`).split('==');
  }

  /** What the executor remembers, file by file, without files that were not finished; read without a program. */
  remembered(): string {
    const state = join(this.machine.root, 'run/wanmark/state');
    if (!existsSync(state)) return '';
    return readdirSync(state, { recursive: true, withFileTypes: true })
      .filter(({ name }) => !name.endsWith('.new'))
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return `${path}\n${entry.isFile() ? readFileSync(path, 'utf8') : ''}`;
      })
      .sort()
      .join('\n');
  }

  /** How many programs the executor starts. */
  async count(request: Request): Promise<number> {
    this.#assassin.strike(0, this.which);
    assert.equal((await this.act(request)).code, 0);
    return this.#assassin.count;
  }

  /** @returns the program that it was killed at, and what had been changed */
  async kill(request: Request, number: number) {
    this.#assassin.strike(number, this.which);
    const { code, said, changes } = await this.act(request);
    const victim = this.#assassin.victim(number)!;
    assert.equal(code, 1, victim);
    assert.equal(said.filter((line) => KILLED.test(line)).length, 1, said.join('\n'));
    return { victim, changes };
  }

  /**
   * Kills a request at each of its programs in turn. Each new state that this leaves is put right in one of the ways.
   * @param from makes the state that the request begins with
   * @returns how many programs there are, and how many different states were put right
   */
  async killEverywhere(from: () => Promise<void>, request: Request, ways: readonly Mend[]) {
    await from();
    const programs = await this.count(request);
    await from();
    // Rules of one priority, IPv6 routes of one length and what `down` has to remember may change places.
    const everything = () => sorted([...this.look(), this.remembered()].join('\n'));
    const begin = everything();
    const memory = sorted(this.remembered());
    const mended = new Set<string>();
    for (let number = 1; number <= programs; number += strideOf(this.which)) {
      const { victim, changes } = await this.kill(request, number);
      if (changes.length === 0 && sorted(this.remembered()) === memory) continue;
      const where = `${request.verb} killed at program ${number} of ${programs}, ${victim}`;
      assertCovered(this.look(), where);
      const left = everything();
      if (left === begin) continue;
      if (!mended.has(left)) await ways[mended.size % ways.length]!(where);
      mended.add(left);
      if (everything() === begin) continue;
      await from();
      assert.equal(everything(), begin, `begun anew after ${where}`);
    }
    assert.equal(everything(), begin, 'in the end');
    return { programs, states: mended.size };
  }
}

function sorted(text: string): string {
  return text.split('\n').sort().join('\n');
}

/** Checks that each mark of new connections has a route, and NAT where its packets leave. */
function assertCovered(seen: readonly string[], where: string): void {
  for (const [i, rules] of seen.entries()) {
    if (!/^-A (PREROUTING|OUTPUT) .*-j WANMARK(_OUT)?$/m.test(rules)) continue;
    for (const [, mark] of rules.matchAll(/-j MARK --set-x?mark (0x\w+)\//g)) {
      const k = WAN_FIELD.decode(Number(mark));
      // The mark is taken away.
      if (k === 0) continue;
      for (const line of [
        /^-A POSTROUTING .*-j WANMARK_NAT$/m,
        new RegExp(`^-A WANMARK_NAT -o w${k} -j MASQUERADE`, 'm'),
        new RegExp(`fwmark ${markOf(k)} lookup 100${k}`),
        new RegExp(`^default .*table 100${k} `, 'm'),
      ])
        assert.match(rules, line, `${where}, IPv${4 + 2 * i}, WAN ${k}`);
    }
  }
}

describe('the starter killed', needs(namespaces), () => {
  let machine: Machine;
  let assassin: Assassin;

  const up = () => machine.wanmark('up', CONFIG, { before: `PATH=${assassin.path}:$PATH` });
  /** Waits until the executor has ended. */
  const ended = () => machine.sh('flock /run/wanmark/lock true');

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    assassin = new Assassin(machine.directory);
  });
  after(() => machine.stop());

  test('before it has answered leaves everything as it was', () => {
    const clean = machine.snapshot();
    assassin.strike(1, 'iptables-save', 'kill -KILL $STARTER');
    assert.equal(up().status, 137);
    ended();
    assert.equal(machine.snapshot(), clean);
    assert.equal(machine.attempt('test -e /run/wanmark/state/up').status, 1);
  });

  test('in the middle does not keep the executor from carrying out the plan', async () => {
    const clean = machine.snapshot();
    const go = join(machine.directory, 'go');
    machine.sh(`mkfifo ${go}`);
    // The first restore is a --test.
    assassin.strike(2, 'iptables-restore', `kill -KILL $STARTER; read -r _ <${go}`);
    assert.equal(up().status, 137);
    const waiting = await machine.peer([], undefined, ACTOR);
    waiting.tell(JSON.stringify({ verb: 'up', config: CONFIG }));
    machine.until('grep -q -e "-> FLOCK .*:$(stat -c %i /run/wanmark/lock) " /proc/locks');
    assert.doesNotMatch(machine.sh('iptables-save'), /WANMARK/);
    machine.sh(`echo >${go}`);
    const { code, changes }: Answer = JSON.parse((await waiting.line())!);
    assert.deepEqual([code, changes], [0, []], 'there was nothing left to do');
    for (const program of ['iptables', 'ip6tables'])
      assert.match(machine.sh(`${program}-save`), /WANMARK_SAVE/);
    assert.deepEqual(machine.sh('ls -d /run/wanmark/plan.* 2>/dev/null || :'), '', 'nor a folder');
    assert.equal(machine.wanmark('down').status, 0);
    assert.equal(machine.snapshot(), clean);
  });
});

describe('a program of the executor killed', needs(namespaces), () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
  });
  after(() => machine.stop());

  test('alone does not lose the remembered list that it was to shorten', () => {
    const clean = machine.snapshot();
    for (const [name, words] of [
      ['grep', '-vFx'],
      ['awk', 'kept='],
      ['mv', 'sysctl.new'],
      ['mv', 'absent.new'],
    ] as const) {
      const folder = join(machine.directory, `${name}${words}`);
      mkdirSync(folder);
      const script = `#!/bin/sh\ncase "$*" in *${words}*) kill -KILL $$ ;; esac\nPATH=\${PATH#*:}\nexec ${name} "$@"\n`;
      writeFileSync(join(folder, name), script, { mode: 0o755 });
      assert.equal(machine.wanmark('up', CONFIG).status, 0);
      const { status } = machine.wanmark('down', undefined, {
        env: { PATH: `${folder}:${process.env.PATH}` },
      });
      assert.equal(status, 1, `${name} ${words}`);
      assert.equal(machine.wanmark('down').status, 0);
      assert.equal(machine.snapshot(), clean, `${name} ${words}`);
    }
  });
});

for (const variant of Object.keys(VARIANTS)) {
  describe(
    `the executor killed, iptables-${variant}`,
    needs(variant === 'nft' ? namespaces : iptablesLegacy),
    () => {
      let scene: Scene;
      let clean: string[];
      let wanted: string[];

      const up = () => scene.do({ verb: 'up', config: CONFIG });
      const refresh = () => scene.do({ verb: 'refresh' });
      const down = () => scene.do({ verb: 'down' });
      const assertClean: Mend = async (where) => assert.deepEqual(scene.everything(), clean, where);
      const assertUp: Mend = async (where) => assert.deepEqual(scene.everything(), wanted, where);
      const byUp: Mend = async (where) => {
        await up();
        await assertUp(where);
        await down();
        await assertClean(where);
      };
      const byDown: Mend = async (where) => {
        await down();
        await assertClean(where);
      };

      before(async () => {
        scene = await Scene.start(variant);
        clean = scene.everything();
        await up();
        wanted = scene.everything();
        await down();
      });
      after(() => scene.machine.stop());

      test('at any program of an up can be mended by down and by up', async (t) => {
        const { programs, states } = await scene.killEverywhere(down, { verb: 'up', config: CONFIG }, [
          byDown,
          byUp,
        ]);
        t.diagnostic(`${programs} programs, ${states} different states`);
        assert.ok(programs >= (variant === 'nft' ? 30 : 2) && states >= 2, `${programs}, ${states}`);
        await assertClean('in the end');
      });

      test('at any program of a refresh can be mended by refresh and by up', async (t) => {
        // Changes that the refresh has to follow, and damage that it has to repair.
        const change = (how: 'add' | 'del') =>
          scene.machine.sh(`ip route ${how} 10.50.0.0/16 via 10.9.0.2; ip addr ${how} 192.0.2.9/24 dev w2
            echo ${how === 'add' ? 0 : 1} > /proc/sys/net/ipv4/conf/w1/src_valid_mark`);
        await up();
        change('add');
        await refresh();
        const followed = scene.everything();
        let changed = true;
        const from = async () => {
          if (changed) change('del');
          await refresh();
          change('add');
          changed = true;
        };
        const by = (mend: () => Promise<void>) => async (where: string) => {
          await mend();
          assert.deepEqual(scene.everything(), followed, where);
        };
        const { programs, states } = await scene.killEverywhere(from, { verb: 'refresh' }, [
          by(refresh),
          by(up),
        ]);
        t.diagnostic(`${programs} programs, ${states} different states`);
        assert.ok(
          programs >= (variant === 'nft' ? 30 : 1) && states >= (variant === 'nft' ? 2 : 1),
          `${programs}, ${states}`,
        );
        change('del');
        await down();
        await assertClean('in the end');
      });

      test('at any program of a down can be mended by down and by up', async (t) => {
        const { programs, states } = await scene.killEverywhere(up, { verb: 'down' }, [byDown, byUp]);
        t.diagnostic(`${programs} programs, ${states} different states`);
        assert.ok(programs >= (variant === 'nft' ? 50 : 2) && states >= 2, `${programs}, ${states}`);
        await byDown('in the end');
      });
    },
  );
}
