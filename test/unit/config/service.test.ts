import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { formatListen } from '#wanmark/core/service.js';
import { assertRefused } from './refused.js';

const WEB = 'web,listen=192.0.2.1:80/tcp';
const ONE = 'web,to=10.0.0.1:8080';

const services = (raw: RawConfig) => parseConfig(raw).services;

describe('services in the configuration', () => {
  it('have the queue after the queues of the WANs', () => {
    const raw = { wan: ['a,dev=eth1'], service: [WEB], backend: [ONE], 'queue-num': '4' };
    assert.equal(parseConfig(raw).queues.services, 5);
    assert.equal(parseConfig({ ...raw, queues: '3' }).queues.services, 7);
    assert.equal(parseConfig({ ...raw, queues: '3', 'service-queue': '3' }).queues.services, 3);
  });

  it('have defaults', () => {
    const config = parseConfig({ service: [WEB], backend: [ONE, 'web,to=10.0.0.2'] });
    assert.deepEqual([config.wans, config.queues.services, config.rules.forwardAccept], [[], 1, false]);
    assert.equal(config.fields.backends.mask, 0xff00);
    const [web] = config.services;
    const { name, snat, strategy, family, address, proto, ports } = web!;
    assert.deepEqual(
      { name, snat, strategy, family, address, proto, ports },
      {
        ...{ name: 'web', snat: 'auto', strategy: 'weighted', family: 4, address: '192.0.2.1' },
        ...{ proto: 'tcp', ports: { low: 80, high: 80 } },
      },
    );
    assert.deepEqual(
      web!.backends.map((one) => [one.name, one.address, one.port, one.mark, one.weight, one.family]),
      [
        ['10.0.0.1:8080', '10.0.0.1', 8080, 1, 1, 4],
        ['10.0.0.2', '10.0.0.2', undefined, 2, 1, 4],
      ],
    );
  });

  it('number their backends over all services, or as configured', () => {
    const [web, dns] = services({
      service: [WEB, 'dns,listen=192.0.2.1:53/udp'],
      backend: [ONE, 'dns,to=10.0.0.1', 'web,to=10.0.0.2,weight=0', 'dns,to=10.0.0.2,mark=9'],
      'backend-mask': '0xf0000',
    });
    assert.deepEqual(
      web!.backends.map(({ mark }) => mark),
      [1, 3],
    );
    assert.deepEqual(
      dns!.backends.map(({ mark }) => mark),
      [2, 9],
    );
  });

  it('listen on a device in the family of their backends', () => {
    const all = services({
      service: [
        'a,listen=dev:ppp0:443/tcp',
        'b,listen=dev:ppp0:443/tcp,snat=fd00::9',
        'c,listen=dev:eth1.5/any',
        WEB,
      ],
      backend: ['a,to=10.0.0.1', 'b,to=[fd00::1]:80', 'c,to=10.0.0.1', ONE],
    });
    assert.deepEqual(
      all.map((one) => [one.device, one.address, one.family, formatListen(one)]),
      [
        ['ppp0', undefined, 4, 'dev:ppp0:443/tcp'],
        ['ppp0', undefined, 6, 'dev:ppp0:443/tcp'],
        ['eth1.5', undefined, 4, 'dev:eth1.5/any'],
        [undefined, '192.0.2.1', 4, '192.0.2.1:80/tcp'],
      ],
    );
    for (const [listen, backend, message] of [
      [
        'dev:ppp0:443/tcp',
        ['a,to=10.0.0.1', 'a,to=fd00::1'],
        /its first backend is IPv4; use a service for each family$/,
      ],
      ['dev:ppp0/tcp', ['a,to=10.0.0.1'], /has no port/],
      ['dev:/any', ['a,to=10.0.0.1'], /"" is not a device name/],
      ['dev:ppp0:80:90/tcp', ['a,to=10.0.0.1'], /use for example dev:eth1:80\/tcp/],
      ['ppp0:80/tcp', ['a,to=10.0.0.1'], /"ppp0" is not an address/],
    ] as const) {
      assertRefused(() => services({ service: [`a,listen=${listen}`], backend: [...backend] }), message);
    }
    assertRefused(
      () =>
        services({
          service: ['a,listen=dev:ppp0:443/tcp', 'b,listen=dev:ppp0/any'],
          backend: ['a,to=10.0.0.1', 'b,to=10.0.0.1'],
        }),
      /services "a" \(dev:ppp0:443\/tcp\) and "b" \(dev:ppp0\/any\) overlap/,
    );
  });

  it('are maps in a file', () => {
    const file = {
      service: [
        { name: 'six', listen: '[2001:DB8::0:1]:8000-8100/udp', snat: '2001:db8:0::2', strategy: 'sh' },
      ],
      backend: [{ service: 'six', to: '2001:db8::5', weight: 3 }],
      'service-queue': 9,
      'forward-accept': true,
    };
    const flags = {
      service: ['six,listen=[2001:db8::1]:8000-8100/udp,snat=2001:db8::2,strategy=sh'],
      backend: ['six,to=[2001:db8::5],weight=3'],
      'service-queue': '9',
      'forward-accept': true,
    };
    assert.deepEqual(parseConfig(file), parseConfig(flags));
    assert.equal(formatListen(services(flags)[0]!), '[2001:db8::1]:8000-8100/udp');
  });

  it('may share an address, and ports of different protocols', () => {
    const list = [
      'a,listen=192.0.2.1:80/tcp',
      'b,listen=192.0.2.1:80/udp',
      'c,listen=192.0.2.1:81-90/tcp',
      'd,listen=192.0.2.2/any',
    ];
    const backend = ['a', 'b', 'c', 'd'].map((name) => `${name},to=10.0.0.1`);
    assert.deepEqual(services({ service: list, backend }).map(formatListen), [
      '192.0.2.1:80/tcp',
      '192.0.2.1:80/udp',
      '192.0.2.1:81-90/tcp',
      '192.0.2.2/any',
    ]);
  });

  const wan = { wan: ['a,dev=eth1'] };
  const web = { service: [WEB], backend: [ONE] };
  const listen = (text: string) => ({ service: [`web,listen=${text}`], backend: ['web,to=10.0.0.1'] });
  const backends = (...list: string[]) => ({ service: [WEB], backend: list.map((keys) => `web,${keys}`) });
  const mistakes: [string, RawConfig, RegExp][] = [
    ['nothing at all', {}, /no WAN given; .* or a --service/],
    ['no name', { service: ['listen=1'] }, /service name "listen=1" must be/],
    ['unknown key', { service: [`${WEB},port=80`] }, /service "web": unknown key "port"/],
    ['a word without value', { service: ['web,listen'] }, /"listen" is not key=value/],
    ['no listen', { service: ['web'] }, /has no address; add listen=/],
    ['no protocol', listen('192.0.2.1:80'), /must end in \/tcp, \/udp or \/any/],
    ['another protocol', listen('192.0.2.1:80/sctp'), /must end in \/tcp/],
    ['no port', listen('192.0.2.1/tcp'), /has no port; use ADDRESS:PORT\/tcp or ADDRESS\/any/],
    ['no port, IPv6', listen('2001:db8::1/tcp'), /has no port/],
    ['a port with any', listen('192.0.2.1:80/any'), /leave ":80" out/],
    ['port 0', listen('192.0.2.1:0/tcp'), /port "0" must be a whole number, 1 to 65535/],
    ['port too high', listen('192.0.2.1:65536/tcp'), /port "65536"/],
    ['a range backwards', listen('192.0.2.1:90-80/tcp'), /must be LOW-HIGH/],
    ['half a range', listen('192.0.2.1:90-/tcp'), /port "" must be/],
    ['a host name', listen('example.org:80/tcp'), /"example.org" is not an address/],
    ['IPv6 without brackets', listen('2001:db8::1:80:99999/tcp'), /is not an address/],
    ['a loopback address', listen('127.0.0.1:80/tcp'), /127.0.0.1 is not an address that others can reach/],
    ['everybody', listen('0.0.0.0:80/tcp'), /is not an address that others can reach/],
    ['multicast', listen('[ff02::1]:80/tcp'), /is not an address that others can reach/],
    [
      'snat of the other family',
      { service: [`${WEB},snat=fd00::1`] },
      /snat "fd00::1" must be auto, none or an IPv4/,
    ],
    ['two of one name', { service: [WEB, WEB] }, /two services are named "web"/],
    ['no backend', { service: [WEB] }, /service "web" has no backend; add --backend web,to=/],
    ['backend without service', { ...wan, backend: [ONE] }, /there is no service; add --service web,/],
    [
      'backend of another',
      { service: [WEB], backend: ['wbe,to=10.0.0.1'] },
      /unknown service "wbe"; did you mean "web"/,
    ],
    ['backend without address', backends('weight=1'), /has no address; add to=/],
    [
      'backend’s unknown key',
      backends('to=10.0.0.1,wieght=1'),
      /unknown key "wieght"; did you mean "weight"/,
    ],
    [
      'backend of the other family',
      backends('to=[2001:db8::1]:80'),
      /is IPv6, but the service listens on IPv4/,
    ],
    ['backend’s port', backends('to=10.0.0.1:http'), /port "http" must be/],
    ['backend’s range', backends('to=10.0.0.1:80-90'), /port "80-90" must be/],
    ['backend that is a loopback', backends('to=127.0.0.1:80'), /is not an address that others can reach/],
    [
      'backend’s port with any',
      { service: ['web,listen=192.0.2.1/any'], backend: [ONE] },
      /leave ":8080" out/,
    ],
    ['backend that is the service', backends('to=192.0.2.1'), /is the service itself/],
    ['backend twice', backends('to=10.0.0.1', 'to=10.0.0.1'), /has backend 10.0.0.1 twice/],
    ['negative weight', backends('to=10.0.0.1,weight=-1'), /weight "-1" must be/],
    ['weight 0 everywhere', backends('to=10.0.0.1,weight=0'), /every backend of service "web" has weight 0/],
    ['mark 0', backends('to=10.0.0.1,mark=0'), /mark "0" must be/],
    [
      'a mark beyond the mask',
      backends('to=10.0.0.1,mark=256'),
      /mark 256 is outside the mask, which holds 1..255/,
    ],
    ['a mark twice', backends('to=10.0.0.1,mark=2', 'to=10.0.0.2,mark=2'), /both have mark 2/],
    [
      'more backends than marks',
      { ...backends('to=10.0.0.1', 'to=10.0.0.2'), 'backend-mask': '0x100' },
      /2 backends do not fit the mask, which holds 1/,
    ],
    [
      'the WANs’ bits',
      { ...web, mask: '0xff', 'backend-mask': '0x1fe' },
      /backend-mask 0x1fe and mask 0xff share bits/,
    ],
    ['a mask with holes', { ...web, 'backend-mask': '0x500' }, /backend-mask 0x500 has holes/],
    ['mask 0', { ...web, 'backend-mask': '0' }, /backend-mask 0 holds no mark/],
    ['a mask of words', { ...web, 'backend-mask': 'wide' }, /backend-mask "wide" is not a 32-bit number/],
    [
      'the WANs’ queue',
      { ...web, 'queue-num': '4', 'service-queue': '4' },
      /service-queue 4 is the queue of the WANs/,
    ],
    [
      'one of the WANs’ queues',
      { ...web, ...wan, 'queue-num': '4', queues: '3', 'service-queue': '6' },
      /service-queue 6 is one of the 3 queues of the WANs/,
    ],
    ['queues without WANs', { ...web, queues: '2' }, /--queues is for the uplinks of --wan/],
    [
      'no queue left',
      { ...web, 'queue-num': '65535' },
      /service-queue "65536" must be a whole number, 0 to 65535/,
    ],
    [
      'the same address and port',
      { service: [WEB, 'b,listen=192.0.2.1:80/tcp'], backend: [ONE, 'b,to=10.0.0.1'] },
      /services "web" .* and "b" .* overlap/,
    ],
    [
      'an overlapping range',
      { service: [WEB, 'b,listen=192.0.2.1:70-80/tcp'], backend: [ONE, 'b,to=10.0.0.1'] },
      /overlap/,
    ],
    [
      'a whole address over it',
      { service: [WEB, 'b,listen=192.0.2.1/any'], backend: [ONE, 'b,to=10.0.0.1'] },
      /overlap/,
    ],
    [
      'IPv6 in two spellings',
      {
        service: ['a,listen=[2001:db8::1]:1/tcp', 'b,listen=[2001:DB8:0::1]:1/tcp'],
        backend: ['a,to=fd00::1', 'b,to=fd00::1'],
      },
      /overlap/,
    ],
    ['the WANs’ strategy without WANs', { ...web, strategy: 'random' }, /give each --service its strategy=/],
    ['bare marks beside', { ...web, 'high-mark': '3' }, /leave --service out/],
    ['a mask without services', { ...wan, 'backend-mask': '0xff00' }, /--backend-mask goes with --service/],
    ['a queue without services', { ...wan, 'service-queue': '3' }, /--service-queue goes with --service/],
    [
      'the firewall without services',
      { ...wan, 'forward-accept': true },
      /--forward-accept goes with --service/,
    ],
  ];
  for (const [what, raw, complaint] of mistakes) {
    it(`refuse in one line: ${what}`, () => {
      assertRefused(() => parseConfig(raw), complaint);
    });
  }
});
