import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromMwan3, section } from '../../helpers/imports.js';

const REST =
  section("member 'm'", 'interface x') +
  section("policy 'p'", 'use_member += m', 'last_resort default') +
  section('rule', 'use_policy p');
const STANDARD = { interval: 10, timeout: 4, fall: 5, rise: 5 };

function checks(...options: readonly string[]) {
  return fromMwan3(
    section("interface 'x'", 'enabled 1', ...options) + REST,
    section("interface 'x'", 'device eth1'),
  );
}

describe('the check of an interface', () => {
  const one = 'track_ip += 192.0.2.1';
  const two = 'track_ip += 192.0.2.2';
  for (const [name, options, expected] of [
    ['nothing, and has the defaults of mwan3', [one], { check: 'ping', to: '192.0.2.1' }],
    [
      'its numbers',
      [one, two, 'reliability 2', 'interval 5', 'timeout 2', 'down 3', 'up 8', 'count 2'],
      {
        check: 'ping',
        to: ['192.0.2.1', '192.0.2.2'],
        quorum: 2,
        interval: 5,
        timeout: 2,
        count: 2,
        fall: 3,
        rise: 8,
      },
    ],
    [
      'other intervals',
      [one, 'interval 600', 'failure_interval 5', 'recovery_interval 600'],
      { check: 'ping', to: '192.0.2.1', interval: 600, 'fail-interval': 5 },
    ],
    ['the same target twice', [one, one], { check: 'ping', to: '192.0.2.1' }],
    ['a name', ['track_ip += www.example.net'], { check: 'ping', to: 'www.example.net', family: 4 }],
    [
      'httping',
      [one, 'track_ip += www.example.net', 'track_method httping'],
      { check: 'http', to: ['http://192.0.2.1/', 'http://www.example.net/'], family: 4, status: 'any' },
    ],
    [
      'httping with TLS',
      [one, 'track_method httping', 'httping_ssl 1'],
      { check: 'http', to: 'https://192.0.2.1/', status: 'any' },
    ],
    [
      'IPv6',
      ['family ipv6', 'track_ip += 2001:db8::1', 'track_method httping'],
      { check: 'http', to: 'http://[2001:db8::1]/', status: 'any' },
    ],
    ['nping by TCP', [one, 'track_method nping-tcp'], { check: 'tcp', to: '192.0.2.1:80' }],
    ['nslookup', [one, 'track_method nslookup'], { check: 'dns', to: '192.0.2.1', name: 'www.google.com' }],
    [
      'quality',
      [
        one,
        'check_quality 1',
        'failure_loss 20',
        'recovery_loss 5',
        'failure_latency 1000',
        'recovery_latency 250',
      ],
      { check: 'ping', to: '192.0.2.1', loss: '20:5', latency: '1000:250' },
    ],
    [
      'quality by default',
      [one, 'check_quality 1'],
      { check: 'ping', to: '192.0.2.1', loss: '40:10', latency: '1000:500' },
    ],
    ['no quality', [one, 'check_quality 0', 'failure_loss 20'], { check: 'ping', to: '192.0.2.1' }],
    [
      'what changes nothing of who answers',
      [one, 'size 8', 'max_ttl 30'],
      { check: 'ping', to: '192.0.2.1' },
    ],
  ] as const) {
    it(`says ${name}`, () => {
      const { check, notes, lost } = checks(...options);
      assert.deepEqual(check, [{ wan: 'x', ...STANDARD, ...expected }]);
      assert.deepEqual([notes, lost], [[], []]);
    });
  }

  it('is not there without targets', () => assert.deepEqual(checks('interval 5').check, []));

  for (const [name, options, said, to] of [
    [
      'the router itself as a target',
      ['track_ip += 0.0.0.0', one],
      /^3: target 0\.0\.0\.0 is the router itself/,
      '192.0.2.1',
    ],
    [
      'a target of the other family',
      [one, 'track_ip += 2001:db8::1'],
      /^4: target 2001:db8::1 never answers in IPv4/,
      '192.0.2.1',
    ],
    [
      'more reliability than targets',
      [one, 'reliability 3'],
      /^4: reliability 3 is more than there are targets/,
      '192.0.2.1',
    ],
    [
      'an unknown method',
      [one, 'track_method smoke'],
      /^4: mwan3 does not know the method smoke/,
      '192.0.2.1',
    ],
    [
      'what is no number',
      [one, 'interval often'],
      /^4: interval "often" is not a whole number; 10/,
      '192.0.2.1',
    ],
  ] as const) {
    it(`notes ${name}`, () => {
      const { check, notes, lost } = checks(...options);
      assert.deepEqual([notes.length, lost], [1, []]);
      assert.match(notes[0]!, said);
      assert.equal(check[0]!.to, to);
    });
  }

  for (const [name, options, said] of [
    ['arping', [one, 'track_method arping'], /^4: there is no check like arping; its targets are pinged/],
    ['nping by UDP', [one, 'track_method nping-udp'], /^4: there is no check like nping-udp/],
    [
      'an interval above ours',
      [one, 'interval 7200'],
      /^4: interval 7200 is outside 1 to 3600; 3600 is taken/,
    ],
    [
      'a target that is nothing',
      [one, 'track_ip += gateway'],
      /^4: target "gateway" is neither an address nor a name/,
    ],
  ] as const) {
    it(`cannot say ${name}`, () => {
      const { check, notes, lost } = checks(...options);
      assert.deepEqual([notes, lost.length, check.length], [[], 1, 1]);
      assert.match(lost[0]!, said);
    });
  }

  it('stands in sections of their own with RutOS, without the interval', () => {
    const condition = section('condition', 'interface x', 'track_method ping', one, 'down 3', 'timeout 2');
    const { check, notes } = fromMwan3(
      section("interface 'x'", 'enabled 1', 'interval 4') +
        condition +
        section('condition', 'interface y', two) +
        REST,
    );
    assert.deepEqual(check, [
      { wan: 'x', check: 'ping', to: '192.0.2.1', interval: 4, timeout: 2, fall: 3, rise: 5 },
    ]);
    assert.deepEqual(notes, []);
  });
});
