/** The printed script as a text: shells and ShellCheck accept it, whatever the configuration. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { UsageError } from '#wanmark/errors.js';
import { policiesRefusal } from '#wanmark/plan/render/script/policies.js';
import { renderScript } from '#wanmark/plan/render/script.js';
import { needs, program } from '../helpers/requires.js';
import { randomRouter } from './machines.js';

const PROGRAMS = { 4: 'iptables', 6: 'ip6tables' };

const print = (raw: RawConfig, programs = PROGRAMS) => renderScript(parseConfig(raw), programs);

/** The scripts of random configurations that are not refused, one in two for nft. */
function randomScripts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => randomRouter(i + 1).raw as RawConfig).flatMap((raw, i) => {
    try {
      return [print(i % 2 === 0 ? raw : { ...raw, firewall: 'nft', 'forward-accept': false })];
    } catch (error) {
      if (error instanceof UsageError) return [];
      throw error;
    }
  });
}

/** The complaints of a program about a script on its standard input. */
function judge(script: string, [command, ...args]: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(command!, args, { input: script, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

/** The settings, as a shell reads them. */
function settings(script: string): Map<string, string> {
  const [, text = ''] = /# --- settings -+\n([\s\S]*?)\n# --- /.exec(script)!;
  const names = [...text.matchAll(/^(\w+)=/gm)].map(([, name]) => name!);
  const shown = names.map((name) => `printf '%s=%s\\n' ${name} "$${name}"`).join('\n');
  const { said } = judge(`set -eu\n${text}\n${shown}`, ['sh']);
  return new Map(
    said
      .trimEnd()
      .split('\n')
      .map((line) => [line.split('=', 1)[0]!, line.slice(line.indexOf('=') + 1)]),
  );
}

describe('the printed script', () => {
  test('is one that shells accept', () => {
    const scripts = randomScripts(60);
    assert.ok(scripts.length > 40);
    for (const script of scripts) assert.deepEqual(judge(script, ['sh', '-n']), { status: 0, said: '' });
  });

  test('ShellCheck accepts it', needs(program('shellcheck')), () => {
    for (const script of randomScripts(12)) {
      assert.deepEqual(judge(script, ['shellcheck', '-']), { status: 0, said: '' });
    }
  });

  const WANS = ['fibre,dev=eth1,via=auto', 'dsl,dev=eth2,via=192.0.2.1', 'lte,dev=ppp0,via=dev'];

  test('has policies that ShellCheck accepts', needs(program('shellcheck')), () => {
    const raw: RawConfig = {
      wan: WANS,
      policy: [
        'voice,use=dsl+lte:tier=2,none=web',
        'web,use=fibre:weight=5,none=default',
        'a.b,use=lte',
        'a-b,use=lte',
      ],
      rule: ['voice,proto=udp,in=$(id)', 'a.b,proto=gre', 'a-b,proto=esp', 'blackhole,dscp=ef'],
    };
    for (const firewall of ['iptables', 'nft']) {
      const script = print({ ...raw, firewall });
      assert.deepEqual(judge(script, ['shellcheck', '-']), { status: 0, said: '' });
      assert.match(script, /(-i |iifname ")\\\$\(id\)("| )/);
      assert.match(script, /^\tmembers_voice_4="1 0x2000000 1 \$\{dsl_gateway4:-none\} 1002$/m);
    }
  });

  test('has no policy that needs somebody who watches', () => {
    const set = ['video,file=/etc/video.txt', 'ads,external'];
    const policy = ['web,use=dsl,sticky=src:for=1h'];
    const refused = (rule: string) => policiesRefusal(parseConfig({ wan: WANS, set, policy, rule: [rule] }));
    assert.match(refused('web,proto=tcp')!, /^policy web: a printed script cannot be sticky; /);
    assert.match(
      refused('dsl,set=video')!,
      /^rule 1 \(dsl,set=video\): a printed script does not read the file of set video; /,
    );
    assert.match(
      refused('dsl,set=ads')!,
      /cannot ask of which family set ads is; add family=4 or family=6 to the rule$/,
    );
    assert.match(refused('dsl,time=mon 08:00-09:00')!, /knows no time zone but utc; give the hours in utc, /);
    assert.equal(refused('dsl,set=ads,family=4'), undefined);
    assert.equal(refused('dsl,time=mon 08:00-09:00 utc'), undefined);
  });

  test('has each setting once, and with its value, whatever the names and devices', () => {
    const script = print(
      {
        wan: [
          'a-b,dev=e$(id)1,via=192.0.2.1',
          "a.b,dev=it's,via=192.0.2.2",
          'a-server1,dev=`x`,via=dev,weight=7',
        ],
        service: ['a,listen=192.0.2.9:80/tcp', '5,listen=[2001:db8::9]:80/tcp'],
        backend: ['a,to=10.0.0.1:81,weight=2', '5,to=[fd00::1]:82'],
      },
      { 4: '/opt/my tables/iptables', 6: 'ip6tables' },
    );
    const names = [...script.matchAll(/^(\w+)=/gm)].map(([, name]) => name!);
    assert.deepEqual(names, [...new Set(names)]);
    const found = Object.fromEntries(settings(script));
    assert.equal(found.a_b_dev, 'e$(id)1');
    assert.equal(found.a_b_2_dev, "it's");
    assert.equal(found.a_srv1_dev, '`x`');
    assert.equal(found.a_srv1_weight, '7');
    assert.equal(found.a_server1_to, '10.0.0.1:81');
    assert.equal(found.a_server1_weight, '2');
    assert.equal(found.wan5_server1_to, '[fd00::1]:82');
    assert.equal(found.iptables, '/opt/my tables/iptables');
  });

  test('has only the functions that it needs', () => {
    const service = print({ service: ['a,listen=192.0.2.9:80/tcp'], backend: ['a,to=10.0.0.1'] });
    for (const name of ['gateway', 'networks', 'mac', 'valid_mark', 'route']) {
      assert.doesNotMatch(service, new RegExp(`^${name}\\(\\)`, 'm'));
    }
    const scripts = [service, ...randomScripts(20)];
    for (const script of scripts) {
      const defined = [...script.matchAll(/^(\w+)\(\)/gm)].map(([, name]) => name!);
      const code = script.replaceAll(/^\s*#.*$/gm, '').replaceAll(/^\w+\(\)/gm, '');
      for (const name of defined) {
        if (['up', 'refresh', 'down'].includes(name)) continue;
        assert.match(code, new RegExp(`\\b${name}\\b`), name);
      }
    }
  });
});
