import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckConfig } from '#wanmark/config/check.js';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { assertRefused } from './refused.js';

const WAN = 'fibre,dev=eth1,via=192.0.2.1';
const RAW: RawConfig = {
  service: ['web,listen=192.0.2.100:80/tcp', 'six,listen=[2001:db8::1]:53/udp', 'all,listen=192.0.2.101/any'],
  backend: ['web,to=10.0.0.2:8080', 'web,to=10.0.0.3', 'six,to=2001:db8:2::2', 'all,to=10.0.0.2'],
};

/** The checks of backends that are not asked in the default way: each one's name, kind, targets and expected status. */
const checksOf = (...check: string[]) =>
  parseConfig({ ...RAW, check: ['web=none', ...check] }).health.serverChecks.map(textOf);

const textOf = ({ wan, kind, targets, status, onceAnswered }: CheckConfig) =>
  [
    wan,
    kind,
    ...targets[4],
    ...targets[6],
    ...(kind === 'http' ? [status] : []),
    ...(onceAnswered ? ['if it ever answered'] : []),
  ].join(' ');

describe('checks of backends', () => {
  it('are for each backend of a service, or one of them, and ask it itself', () => {
    assert.deepEqual(checksOf('web=tcp'), [
      'web/10.0.0.2:8080 tcp 10.0.0.2:8080',
      'web/10.0.0.3 tcp 10.0.0.3:80',
    ]);
    assert.deepEqual(checksOf('web/10.0.0.3=ping', 'all=ping'), [
      'web/10.0.0.3 ping 10.0.0.3',
      'all/10.0.0.2 ping 10.0.0.2',
    ]);
    assert.deepEqual(checksOf('web/10.0.0.2:8080=http', 'six=dns'), [
      'web/10.0.0.2:8080 http http://10.0.0.2:8080/ 200',
      'six/2001:db8:2::2 dns [2001:db8:2::2]:53',
    ]);
  });

  it('ask another port or page, or whatever is given', () => {
    assert.deepEqual(checksOf('web/10.0.0.2:8080=tcp,to=:9000', 'six=http,to=/health,status=204'), [
      'web/10.0.0.2:8080 tcp 10.0.0.2:9000',
      'six/2001:db8:2::2 http http://[2001:db8:2::2]:53/health 204',
    ]);
    assert.deepEqual(
      checksOf('all=http,to=:8081/up', 'all=http,to=https://10.0.0.9/x', 'all=script,to=/bin/x'),
      [
        'all/10.0.0.2 http http://10.0.0.2:8081/up 200',
        'all/10.0.0.2 http https://10.0.0.9/x 200',
        'all/10.0.0.2 script /bin/x',
      ],
    );
  });

  it('are made where there is none, if there is another backend: by the TCP port, or by pings that are believed once answered', () => {
    const service = [
      'web,listen=192.0.2.100:80/tcp',
      'dns,listen=192.0.2.100:53/udp',
      'one,listen=192.0.2.101/any',
    ];
    const many = ['ftp,listen=192.0.2.100:8000-8010/tcp', 'all,listen=192.0.2.102/any'];
    const backend = [
      ...['web,to=10.0.0.2:8080', 'web,to=10.0.0.3', 'dns,to=10.0.0.2', 'dns,to=10.0.0.3', 'one,to=10.0.0.2'],
      ...['ftp,to=10.0.0.2', 'ftp,to=10.0.0.3:21', 'all,to=10.0.0.2', 'all,to=10.0.0.3'],
    ];
    const made = (...check: string[]) =>
      parseConfig({ service: [...service, ...many], backend, check }).health.serverChecks.map(textOf);
    assert.deepEqual(made(), [
      'web/10.0.0.2:8080 tcp 10.0.0.2:8080',
      'web/10.0.0.3 tcp 10.0.0.3:80',
      'dns/10.0.0.2 ping 10.0.0.2 if it ever answered',
      'dns/10.0.0.3 ping 10.0.0.3 if it ever answered',
      'ftp/10.0.0.2 ping 10.0.0.2 if it ever answered',
      'ftp/10.0.0.3:21 tcp 10.0.0.3:21',
      'all/10.0.0.2 ping 10.0.0.2 if it ever answered',
      'all/10.0.0.3 ping 10.0.0.3 if it ever answered',
    ]);
    assert.deepEqual(made('web=none', 'dns/10.0.0.2=dns', 'ftp=ping', 'all=none'), [
      'dns/10.0.0.2 dns 10.0.0.2:53',
      'ftp/10.0.0.2 ping 10.0.0.2',
      'ftp/10.0.0.3:21 ping 10.0.0.3',
      'dns/10.0.0.3 ping 10.0.0.3 if it ever answered',
    ]);
  });

  it('stand beside those of WANs', () => {
    const check = ['fibre=ping,to=1.1.1.1', 'web=tcp', { wan: 'web', check: 'ping', interval: 5 }];
    const { health } = parseConfig({ ...RAW, service: RAW.service, wan: WAN, check });
    assert.deepEqual(
      health.checks.map(({ wan }) => wan),
      ['fibre'],
    );
    assert.deepEqual(
      health.serverChecks.map(({ kind, intervalMs }) => [kind, intervalMs]),
      [
        ['tcp', 2000],
        ['tcp', 2000],
        ['ping', 5000],
        ['ping', 5000],
      ],
    );
  });

  for (const [check, message, more] of [
    ['wbe=tcp', /^check of "wbe": there is no such service or backend; did you mean "web"\?$/, {}],
    ['web/10.0.0.9=tcp', /^check of "web\/10.0.0.9": there is no such service or backend/, {}],
    ['fiber=ping,to=1.1.1.1', /there is no such WAN, service or backend; did you mean "fibre"/, { wan: WAN }],
    ['web=tcp', /a WAN and a service have this name/, { wan: WAN.replace('fibre', 'web') }],
    [
      'all=tcp',
      /^check of "all\/10.0.0.2": the backend has no port of its own; add for example to=:443$/,
      {},
    ],
    ['web=none,interval=3', /^check of "web": none has no keys; leave the rest out$/, {}],
    ['web=script', /^check of "web\/10.0.0.2:8080": script needs/, {}],
    ['web=tcp,to=/x', /"10.0.0.2:8080\/x" is not a target of tcp/, {}],
    ['web=ping,to=:80', /"10.0.0.2:80" is not a target of ping/, {}],
    ['web=tcp,family=6', /is not an IPv6 target/, {}],
    ['web=what', /^check of "web\/10.0.0.2:8080": unknown kind "what"/, {}],
  ] as const) {
    it(`refuse ${check} in one line`, () => {
      assertRefused(() => parseConfig({ ...RAW, check, ...more }), message);
    });
  }

  it('need something to check', () => {
    assertRefused(() => parseConfig({ 'high-mark': 3, check: 'a=ping,to=1.1.1.1' }), /--check is for/);
  });
});
