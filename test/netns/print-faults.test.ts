/** Printed scripts on machines that refuse a command, do not tell all, or lack a match. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addon, iptablesLegacy, namespaces, needs } from '../helpers/requires.js';
import { ALL_BY, argsBy, ours, Programs, SERVICES, succeed, wans, withScript } from './print-harness.js';
import { Machine } from './rules-harness.js';

for (const by of ALL_BY) {
  const { name: variant, env: chosen, programs: names } = by;
  const isNft = names.length === 0;

  describe(
    `${variant}: a printed script`,
    needs(namespaces, addon, ...(variant === 'legacy' ? [iptablesLegacy] : [])),
    () => {
      let machine: Machine;

      before(async () => {
        machine = await Machine.start();
        machine.buildNetwork();
        if (variant === 'legacy') machine.loadLegacy();
      });
      after(() => machine.stop());

      test('without a match for IPsec, up and the script leave its rules out, and say so where it matters', () => {
        const poor = new Programs();
        if (isNft) {
          poor.add(
            'nft',
            `PATH=\${PATH#*:}; case "$*" in *'ipsec exists'*) exit 1 ;; *-f*) ;; *) exec nft "$@" ;; esac
          case $* in *'-f -') cat ;; *) cat "\${*##* }" ;; esac >/run/batch
          ! grep -q 'ipsec exists' /run/batch || exit 1
          case $* in *-c*) nft -c -f /run/batch ;; *) nft -f /run/batch ;; esac`,
          );
        }
        for (const name of names) {
          // The words of iptables where the kernel has no xt_policy.
          poor.add(
            name,
            `case "$*" in *policy*) echo 'Warning: Extension policy revision 0 not supported, missing kernel module?' >&2
          exit 1 ;; esac\nPATH=\${PATH#*:}; exec ${name} "$@"`,
          );
          poor.add(
            `${name}-restore`,
            `PATH=\${PATH#*:}; input=$(cat); case $input in *policy*) exit 2 ;; esac
          printf '%s\\n' "$input" | ${name}-restore "$@"`,
          );
        }
        const env = { ...chosen, PATH: `${poor.dir}:${process.env.PATH}` };
        const up = () => {
          const { status, stderr } = machine.command(['up', ...argsBy(by, wans())], { env });
          assert.equal(status, 0, stderr);
          return stderr.split('\n').filter((line) => line.startsWith('wanmark: warning: '));
        };
        assert.deepEqual(up(), []);
        const wanted = ours(machine, names);
        assert.doesNotMatch(JSON.stringify(wanted), /-m policy|ipsec/);
        machine.sh(`ip xfrm policy add dir out src 10.9.0.0/24 dst 10.8.0.0/24 tmpl proto esp mode tunnel`);
        assert.match(up().join('\n'), /^wanmark: warning: there are IPsec policies, .*$/);
        assert.equal(machine.command(['refresh'], { env }).status, 0);
        assert.equal(machine.command(['down'], { env: chosen }).status, 0);

        withScript(machine, argsBy(by, wans()), chosen, (script) => {
          const said = succeed(machine, script, 'up', { path: poor.dir });
          const words = isNft
            ? /^wanmark: nft cannot ask for IPsec here, .*\n$/
            : /^(wanmark: ip6?tables(-legacy)? cannot ask for IPsec \(xt_policy\), .*\n){2}$/;
          assert.match(said, words);
          assert.deepEqual(ours(machine, names), wanted);
          machine.sh('ip xfrm policy flush');
          assert.equal(succeed(machine, script, 'refresh', { path: poor.dir }), '');
        });
        poor.remove();
      });

      test('a first up that fails leaves nothing, a later one leaves the old rules', () => {
        const nothing = machine.snapshot();
        withScript(machine, argsBy(by, [...wans(), ...SERVICES]), chosen, (script) => {
          const saboteur = new Programs();
          const changers = isNft ? ['nft'] : names.map((name) => `${name}-restore`);
          const tools = [...(variant === 'legacy' ? [] : ['ip']), ...changers];
          /** Has the `at`-th change by a tool fail. */
          const fail = (tool: string, at: number) => {
            const dir = join(saboteur.dir, tool);
            mkdirSync(dir, { recursive: true });
            writeFileSync(join(dir, 'count'), '0');
            const change = `case "$*" in *' show'*|*' get '*|*--test*|*neigh*|-V|*list*|-c*) ;; *)
            n=$(($(cat ${dir}/count) + 1)); echo $n >${dir}/count
            [ $n != ${at} ] || { echo injected >&2; exit 4; } ;; esac`;
            saboteur.add(`${tool}/${tool}`, `${change}\nPATH=\${PATH#*:}; exec ${tool} "$@"`);
            return script.run(machine, 'up', { path: dir });
          };
          for (const tool of tools) {
            for (const at of tool === 'ip' ? [1, 5, 12] : [1]) {
              const { status, stderr } = fail(tool, at);
              assert.equal(status, 1, stderr);
              assert.match(stderr, /^injected\nwanmark: failed; everything goes back to what it was$/m);
              assert.equal(machine.snapshot(), nothing, `${tool} ${at}`);
            }
          }
          succeed(machine, script, 'up');
          const before = ours(machine, names);
          for (const [setting, value, old] of [
            ['wan1_weight', 9, 1],
            ['wan2_via', '192.0.2.77', '192.0.2.1'],
          ] as const) {
            script.set(setting, value);
            for (const tool of tools) {
              assert.equal(fail(tool, tool === 'ip' ? 2 : 1).status, 1);
              assert.deepEqual(ours(machine, names), before, `${tool} ${setting}`);
            }
            script.set(setting, old);
          }
          succeed(machine, script, 'down');
          saboteur.remove();
        });
        assert.equal(machine.snapshot(), nothing);
      });

      test('leaves no file that somebody else can read, and so lock, or write', () => {
        withScript(machine, argsBy(by, wans()), chosen, (script) => {
          machine.sh('umask 0; : >/run/wanmark-script.lock');
          for (const verb of ['up', 'down']) {
            assert.equal(script.run(machine, verb).status, 0);
            assert.equal(machine.sh('find /run/wanmark-script* -perm /077'), '', verb);
          }
          machine.sh('rm /run/wanmark-script.lock');
        });
      });

      test('does not take what it cannot read for nothing', () => {
        const nothing = machine.snapshot();
        withScript(machine, argsBy(by, [...wans(), '--wan', 'auto,dev=w9,via=auto']), chosen, (script) => {
          const refused = (name: string, body: string, message: RegExp) => {
            const broken = new Programs();
            broken.add(name, `PATH=\${PATH#*:}\n${body}\nexec ${name} "$@"`);
            const before = machine.snapshot();
            for (const verb of ['up', 'down']) {
              const { status, stderr } = script.run(machine, verb, { path: broken.dir });
              assert.equal(status, 1, `${verb}: ${stderr}`);
              assert.match(stderr, message, verb);
              assert.equal(machine.snapshot(), before, verb);
            }
            broken.remove();
          };
          const all = () => {
            if (isNft)
              refused('nft', 'case "$*" in *list*) echo injected >&2; exit 1 ;; esac', /^injected$/m);
            else
              refused(
                `${names[1]}-save`,
                `${names[1]}-save; echo "# Table \\\`mangle' is incompatible, use 'nft' tool."; exit`,
                /^wanmark: ip6tables.*-save does not show a table with rules of another program; /m,
              );
            if (!isNft)
              refused(
                `${names[1]}-save`,
                'exit 1',
                /^wanmark: ip6tables.*-save failed, so nothing is changed$/m,
              );
            // Cut off within a table, and before the first one.
            for (const cut of ['*nat', '# Generated by ip6tables-save v1.8.9']) {
              if (!isNft)
                refused(
                  `${names[1]}-save`,
                  `echo '${cut}'; exit`,
                  /^wanmark: ip6tables.*-save does not print whole tables, so nothing is changed$/m,
                );
            }
            refused('ip', 'case "$*" in *"-6 rule show"*) echo injected >&2; exit 2 ;; esac', /^injected$/m);
          };
          all();
          const broken = new Programs();
          for (const what of ['-4 route show table main', '-6 route show table all']) {
            broken.add(
              'ip',
              `PATH=\${PATH#*:}; case "$*" in *"${what}"*) echo injected >&2; exit 2 ;; esac; exec ip "$@"`,
            );
            assert.equal(script.run(machine, 'up', { path: broken.dir }).status, 1, what);
            assert.equal(machine.snapshot(), nothing, what);
          }
          broken.remove();
          succeed(machine, script, 'up');
        });
        assert.equal(machine.snapshot(), nothing);
      });
    },
  );
}
