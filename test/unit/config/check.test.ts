import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCheck } from '#wanmark/config/check.js';
import { assertRefused } from './refused.js';

describe('the text of a check', () => {
  it('can have every key', () => {
    const check = parseCheck(
      'fibre=ping,to=1.1.1.1+9.9.9.9+2620:fe::fe,interval=0.5,fail-interval=0.3,recover-interval=1,timeout=2,count=3,fall=4,rise=6,quorum=1,loss=20:10,latency=300:150',
    );
    assert.deepEqual(check, {
      wan: 'fibre',
      kind: 'ping',
      targets: { 4: ['1.1.1.1', '9.9.9.9'], 6: ['2620:fe::fe'] },
      intervalMs: 500,
      failIntervalMs: 300,
      recoverIntervalMs: 1000,
      timeoutMs: 2000,
      count: 3,
      fall: 4,
      rise: 6,
      quorum: 1,
      loss: { down: 20, up: 10 },
      latency: { down: 300, up: 150 },
      status: 204,
      name: '.',
    });
  });

  it('has defaults, and takes each kind of target in its families', () => {
    const of = (text: string) => parseCheck(`all=${text}`).targets;
    const ping = parseCheck('all=ping,to=192.0.2.1');
    assert.deepEqual(
      [ping.intervalMs, ping.timeoutMs, ping.count, ping.fall, ping.rise, ping.quorum],
      [2000, 1500, 1, 3, 5, 1],
    );
    const slow = parseCheck('all=ping,to=192.0.2.1,interval=30,fail-interval=5');
    assert.deepEqual([slow.intervalMs, slow.failIntervalMs, slow.recoverIntervalMs], [30_000, 5000, 30_000]);
    assert.equal(parseCheck('all=http,to=http://example.net/,status=any').status, 'any');
    assert.deepEqual(of('tcp,to=192.0.2.1:443+[2001:db8::1]:80'), {
      4: ['192.0.2.1:443'],
      6: ['[2001:db8::1]:80'],
    });
    assert.deepEqual(of('dns,to=192.0.2.1+2001:db8::1+192.0.2.1:5353,name=example.net'), {
      4: ['192.0.2.1', '192.0.2.1:5353'],
      6: ['2001:db8::1'],
    });
    const urls = ['http://example.net/a+b', 'https://192.0.2.1/x'];
    assert.deepEqual(of(`http,to=${urls.join('+')}`), { 4: urls, 6: [urls[0]] });
    assert.deepEqual(of('http,to=http://example.net/,family=6'), { 4: [], 6: ['http://example.net/'] });
    const name = ['example.net'];
    assert.deepEqual(of('ping,to=example.net'), { 4: name, 6: name });
    assert.deepEqual(of('dns,to=ns.example.net:5353,family=4'), { 4: ['ns.example.net:5353'], 6: [] });
    assert.deepEqual(of('tcp,to=example.net:443,family=6'), { 4: [], 6: ['example.net:443'] });
    assert.deepEqual(of('script,to=/bin/a+b'), { 4: ['/bin/a+b'], 6: ['/bin/a+b'] });
  });

  it('may be a map, as in a file', () => {
    const text = parseCheck('dsl=dns,to=192.0.2.1+192.0.2.2,quorum=2');
    assert.deepEqual(
      parseCheck({ wan: 'dsl', check: 'dns', to: ['192.0.2.1', '192.0.2.2'], quorum: 2 }),
      text,
    );
  });

  for (const [text, message] of [
    ['ping', /does not begin with WAN=KIND/],
    ['=ping,to=1.1.1.1', /does not begin with WAN=KIND/],
    [{ check: 'ping' }, /needs its WAN/],
    [['x'], /not \["x"\]/],
    ['a=pong,to=1.1.1.1', /unknown kind "pong"; did you mean "ping"/],
    ['a=ping', /needs targets.*to=1\.1\.1\.1/],
    ['a=ping,to=fibre', /"fibre" is not a target of ping/],
    ['a=ping,to=1.1.1.256', /"1.1.1.256" is not a target of ping/],
    ['a=ping,to=example.net:80', /is not a target of ping/],
    ['a=tcp,to=example.net', /is not a target of tcp/],
    ['a=tcp,to=[example.net]:80', /is not a target of tcp/],
    ['a=ping,to=1.1.1.1,count=0', /count "0" must be a whole number, 1 to 20/],
    ['a=ping,to=1.1.1.1,count=21', /count/],
    ['a=script,to=/bin/a,count=2', /unknown key "count"/],
    ['a=ping,to=1.1.1.1,fail-interval=0', /fail-interval "0" must be seconds/],
    ['a=ping,to=fe80::1%eth0', /is not a target of ping/],
    ['a=tcp,to=192.0.2.1', /is not a target of tcp; write for example to=192.0.2.1:443/],
    ['a=tcp,to=192.0.2.1:0', /is not a target of tcp/],
    ['a=tcp,to=2001:db8::1:443', /is not a target of tcp/],
    ['a=dns,to=[192.0.2.1]:53', /is not a target of dns/],
    ['a=http,to=ftp://x/', /is not a target of http/],
    ['a=script,to=check', /is not a target of script/],
    ['a=ping,to=1.1.1.1,family=6', /is not an IPv6 target/],
    ['a=ping,to=1.1.1.1,family=5', /must be 4 or 6/],
    ['a=ping,to=1.1.1.1+1.1.1.1', /given twice/],
    ['a=ping,to=1.1.1.1,to=9.9.9.9', /given twice; join/],
    ['a=ping,to=1.1.1.1,x', /"x" is not key=value/],
    ['a=ping,to=1.1.1.1,intervall=2', /did you mean "interval"/],
    ['a=ping,to=1.1.1.1,status=200', /unknown key "status"/],
    ['a=ping,to=1.1.1.1,quorum=2', /quorum 2, but there is only 1 target for IPv4/],
    ['a=ping,to=1.1.1.1,quorum=0', /1 to 1000/],
    ['a=ping,to=1.1.1.1,interval=0', /seconds, 0.2 to 3600/],
    ['a=ping,to=1.1.1.1,timeout=-1', /seconds/],
    ['a=ping,to=1.1.1.1,loss=20', /DOWN:UP/],
    ['a=ping,to=1.1.1.1,loss=10:20', /DOWN:UP/],
    ['a=ping,to=1.1.1.1,loss=200:20', /at most 100/],
    ['a=script,to=/bin/x,latency=300:150', /unknown key "latency"/],
    ['a=http,to=http://x/,status=99', /100 to 599/],
    ['a=dns,to=1.1.1.1,name=a..b', /is not a DNS name/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)} in one line`, () => {
      assertRefused(() => parseCheck(text), message);
    });
  }
});
