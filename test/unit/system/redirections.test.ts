/** What other people's rules redirect, by the output of iptables-save. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jumpsToMove, readRedirections } from '#wanmark/system/redirections.js';

const table = (name: string, rules: readonly string[]) => `*${name}\n${rules.join('\n')}\nCOMMIT\n`;
const read = (nat: readonly string[], mangle: readonly string[] = []) =>
  readRedirections(table('mangle', mangle) + table('nat', nat)).redirections.map(
    ({ words, to }) => `${words} > ${to}`,
  );
const redirect = '-p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3129';

describe('redirections', () => {
  it('are REDIRECT and DNAT in nat, and TPROXY in mangle', () => {
    assert.deepEqual(
      read(
        [
          `-A PREROUTING -i lan0 ${redirect}`,
          '-A PREROUTING -p udp -m udp --dport 53 -m comment --comment "hijack -j x" -j DNAT --to-destination 10.0.0.1:5353',
          '-A PREROUTING -p udp -j DNAT --to-destination [fd00::1]:53',
          '-A PREROUTING -p udp -j DNAT --to-destination fd00::1',
          '-A PREROUTING -j DNAT --to-destination 10.0.0.1-10.0.0.9 --persistent',
          `-A POSTROUTING ${redirect}`,
        ],
        ['-A PREROUTING -p tcp -j TPROXY --on-port 3129 --on-ip 0.0.0.0 --tproxy-mark 0x10000/0x10000'],
      ),
      [
        '-p tcp > router',
        '-i lan0 -p tcp -m tcp --dport 80 > router',
        '-p udp -m udp --dport 53 > 10.0.0.1',
        '-p udp > fd00::1',
        '-p udp > fd00::1',
        ' > nobody',
      ],
    );
  });

  it("are found in other people's chains, and not in ours", () => {
    assert.deepEqual(
      read([
        '-A PREROUTING -m comment --comment wanmark -j WANMARK',
        '-A PREROUTING ! -i wan1 -j PROXY',
        '-A PROXY -d 10.0.0.0/8 -j RETURN',
        '-A PROXY -j LOG',
        `-A PROXY ${redirect}`,
        `-A WANMARK ${redirect}`,
      ]),
      ['! -i wan1 -d 10.0.0.0/8 > nobody', '! -i wan1 -p tcp -m tcp --dport 80 > router'],
    );
  });

  it('are marks that ip rules lead, in mangle, as pbr sets them, and no others', () => {
    const led = [{ value: 0x30000, mask: 0xff0000 }];
    const rules = [
      '-A PREROUTING -m mark --mark 0x0/0xff0000 -j PBR',
      '-A PREROUTING -p udp -j MARK --set-xmark 0xa/0xffffffff',
      '-A PREROUTING -m mark --mark 0x5 -j MARK --set-xmark 0x30000/0xff0000',
      '-A PREROUTING -p tcp -j MARK --set-xmark 0x3000a/0xffffffff',
      '-A PBR -s 10.0.0.9/32 -g PBR_3',
      '-A PBR -m set --match-set video dst -g PBR_3',
      '-A PBR_3 -j MARK --set-xmark 0x30000/0xff0000',
      '-A PBR_3 -j RETURN',
    ];
    const found = (those: readonly string[]) =>
      readRedirections(table('mangle', those), led).redirections.map(({ words, to }) => `${words} > ${to}`);
    const ofPbr = ['table', 'nobody', 'nobody'].map(
      (to) => `-m mark --mark 0x0/0xff0000 -s 10.0.0.9/32 > ${to}`,
    );
    assert.deepEqual(found(rules), ofPbr, 'as far as they can be copied');
    assert.deepEqual(found(rules.filter((rule) => !rule.includes('--match-set'))), [
      ...ofPbr,
      '-p tcp > table',
    ]);
    assert.deepEqual(
      readRedirections(table('nat', rules.slice(1, 4)), led).redirections,
      [],
      'too late in nat',
    );
    assert.deepEqual(
      readRedirections(table('mangle', rules.slice(1, 4))).redirections,
      [],
      'nobody leads them',
    );
  });

  it('have each option once, as iptables wants it', () => {
    assert.deepEqual(
      read([
        '-A PREROUTING -i lan0 -p tcp -j PROXY',
        '-A PROXY ! -i lan1 -j ACCEPT',
        `-A PREROUTING ${redirect}`,
      ]),
      [],
      'two conditions on one option end the list',
    );
    assert.deepEqual(
      read(['-A PREROUTING ! -i lan1 -p tcp -j PROXY', `-A PROXY ! -i lan1 ! -d 10.0.0.0/8 ${redirect}`]),
      ['! -i lan1 -p tcp ! -d 10.0.0.0/8 -m tcp --dport 80 > router'],
    );
    assert.deepEqual(
      read([
        '-A PREROUTING -p tcp -m tcp --dport 80 -j PROXY',
        '-A PROXY -p tcp -m tcp --dport 80 -j REDIRECT',
      ]),
      ['-p tcp -m tcp --dport 80 -m tcp --dport 80 > router'],
    );
  });

  it('end where a condition holds only in its own place', () => {
    const [before, after] = ['-A PREROUTING -i lan0 -j REDIRECT', '-A PREROUTING -i lan1 -j REDIRECT'];
    assert.deepEqual(read([before, '-A PREROUTING -m set --match-set x dst -j RETURN', after]), [
      '-i lan0 > router',
    ]);
    assert.deepEqual(read([before, '-A PREROUTING -m mark --mark 0x5 -j REDIRECT', after]), [
      '-i lan0 > router',
      '-i lan1 > router',
    ]);
    assert.deepEqual(read([after], ['-A PREROUTING -m mark --mark 0x5 -j ACCEPT']), []);
  });

  it('are left out altogether where there are very many', () => {
    assert.deepEqual(
      read(Array.from({ length: 65 }, (_, i) => `-A PREROUTING -d 10.0.0.${i}/32 -j REDIRECT`)),
      [],
    );
  });
});

describe('rules that cannot be copied', () => {
  const led = [{ value: 1, mask: 0xffffffff }];
  const uncopied = (...rules: string[]) => readRedirections(table('mangle', rules), led).uncopied;
  const tproxy = '-p tcp -j TPROXY --on-port 12345 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff';

  it('are those that take connections, or mark them for an ip rule', () => {
    assert.equal(uncopied(`-A PREROUTING ${tproxy}`), false, 'copied');
    assert.equal(uncopied(`-A PREROUTING -m set --match-set x dst ${tproxy}`), true);
    assert.equal(
      uncopied('-A PREROUTING -j V', '-A V -m mark --mark 0xff -j RETURN', `-A V ${tproxy}`),
      true,
    );
    assert.equal(
      uncopied('-A PREROUTING -m mark --mark 0xff -j RETURN', `-A V ${tproxy}`),
      false,
      'not entered',
    );
    assert.equal(uncopied('-A PREROUTING -m set --match-set x dst -j DSCP --set-dscp 0x2e'), false);
    const many = Array.from({ length: 65 }, (_, i) => `-A PREROUTING -d 10.0.0.${i}/32 ${tproxy}`);
    assert.equal(uncopied(...many), true, 'too many');
  });

  it('are all that mark what the router sends', () => {
    assert.equal(
      uncopied('-A OUTPUT -j V', '-A V -p tcp -j MARK --set-xmark 0x1/0xffffffff', '-A V -j V'),
      true,
    );
    assert.equal(uncopied('-A OUTPUT -p tcp -j MARK --set-xmark 0x2/0xffffffff'), false, 'nobody leads it');
  });
});

describe('jumps that have to be last', () => {
  const ours = (base: string) =>
    `-A ${base} -m conntrack --ctstate NEW -m comment --comment wanmark -j WANMARK_ASKED`;
  const other = '-A PREROUTING -j V2RAY';

  it('are moved where rules of others are behind them', () => {
    const moved = (...rules: string[]) => [
      ...jumpsToMove(table('nat', [other]) + table('mangle', rules) + table('raw', [other])),
    ];
    assert.deepEqual(moved(other, ours('PREROUTING'), ours('OUTPUT')), []);
    assert.deepEqual(moved(ours('PREROUTING'), other, ours('OUTPUT')), ['PREROUTING WANMARK_ASKED']);
    assert.deepEqual(moved(ours('OUTPUT'), other, '-A OUTPUT -j V'), ['OUTPUT WANMARK_ASKED']);
    assert.deepEqual(moved(other), []);
    assert.deepEqual([...jumpsToMove('')], []);
  });
});
