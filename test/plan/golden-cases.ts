/** The configurations of one router (router.ts) whose rules are compared word for word. */
import type { RawConfig } from '#wanmark/config/options.js';
import type { Facts } from '#wanmark/plan/facts.js';
import type { PlanStates } from '#wanmark/plan/states.js';

const FIBRE = 'fibre,dev=eth1,via=192.0.2.1,via6=fe80::1,mark=1,weight=5';
const DSL = 'dsl,dev=eth2,via=198.51.100.1,mark=2,weight=3';

export interface Case {
  readonly raw: RawConfig;
  readonly states?: Partial<PlanStates>;
  readonly facts?: Partial<Facts>;
  /** The iptables for IPv4, where it is not the default one. */
  readonly iptables?: string;
}

export const CASES: Record<string, Case> = {
  basic: { raw: { wan: [FIBRE, DSL] } },
  kernel: {
    raw: {
      wan: [FIBRE, DSL, 'drained,dev=eth3,via=dev,weight=0', 'lte,dev=ppp0,via=dev,tier=2'],
      engine: 'kernel',
      mask: '0xff00',
      lan: ['lan0', 'lan1'],
      exclude: ['100.64.0.0/10', '10.2.0.0/16', '2001:db8:9::/48'],
      'log-kernel': true,
      'queue-num': '3',
      queues: '4',
      table: '5000',
      priority: '100',
    },
  },
  // eth2 has main's gateway, ppp0 needs none, and eth9 does not exist yet. In IPv6 no WAN is up.
  down: {
    raw: {
      wan: [
        FIBRE,
        'dsl,dev=eth2,via=auto,weight=3',
        'lte,dev=ppp0,via=auto,tier=2',
        'modem,dev=eth9,via=auto',
      ],
      'kernel-mode': 'nth',
      'last-resort': 'unreachable',
    },
    states: { down: new Set(['dsl/4', 'fibre/6'] as const) },
  },
  own: { raw: { wan: [FIBRE, DSL], own: 'off' } },
  // A rotation of 2 and 1; the third WAN, in the first tier, has a weight only in the configuration.
  weights: {
    raw: { wan: [FIBRE, DSL, 'lte,dev=ppp0,via=dev'], 'kernel-mode': 'nth' },
    states: {
      weights: new Map([
        ['lte', 0],
        ['dsl', 10],
        ['fibre', 20],
      ]),
    },
  },
  // One of the IPv6 WANs translates, so in IPv6 connections are spread.
  packets: {
    raw: {
      wan: [`${FIBRE},nat=none,nat6=masquerade`, `${DSL},nat=none`],
      engine: 'kernel',
      'kernel-mode': 'nth',
      per: 'packet',
    },
  },
  // A rule of each kind; fibre is down, so a policy that ends at dsl takes its place.
  policies: {
    raw: {
      wan: [FIBRE, DSL, 'lte,dev=ppp0,via=dev'],
      policy: [
        'voice,use=dsl+lte:tier=2,none=unreachable',
        'web,use=fibre:weight=3+dsl,none=voice',
        'bulk,use=fibre,none=main',
      ],
      set: ['office,net=198.18.0.0/24+2001:db8:5::/48', 'ads,external', 'video,file=/etc/video.txt'],
      rule: [
        'voice,from=192.168.9.50',
        'voice,proto=udp,dport=5060+10000-20000',
        'dsl,set=office',
        'direct,from=192.168.9.60',
        'default,in=wg++lan1,mac=02:00:00:00:00:09',
        'blackhole,set=ads',
        'web,proto=tcp+udp,dport=443,from=10.0.0.0/8+192.168.0.0/16,to=!203.0.113.7+203.0.113.8',
        'direct,from=!10.1.0.0/16+10.2.0.0/16',
        'bulk,own=true,uid=1000-1999',
        'bulk,from=0.0.0.1/0.0.0.1,time=mon-fri 22:00-06:00 Europe/Berlin,dscp=ef,fwmark=0x10/0xf0',
        'lte,set=video,family=4',
      ],
    },
    states: { down: new Set(['fibre/4'] as const) },
    facts: {
      keepsSets: true,
      files: { networks: new Map([['video', ['198.19.0.0/16']]]), faults: [] },
      ipsets: new Set(['ads/4']),
      zones: new Map([['Europe/Berlin', 60]]),
    },
  },
  // dsl is down, so what was kept on it goes elsewhere; lte keeps those that came to it meanwhile.
  sticky: {
    raw: {
      wan: [FIBRE, DSL, 'lte,dev=ppp0,via=dev,tier=2'],
      sticky: 'src:for=1h',
      policy: ['web,use=fibre+lte,sticky=src:for=90s', 'pairs,use=fibre+lte,sticky=src+dst'],
      rule: ['web,proto=tcp,dport=443', 'pairs,own=true,proto=udp'],
    },
    states: { down: new Set(['dsl/4'] as const) },
    facts: { keepsClients: true },
  },
  services: {
    raw: {
      wan: [FIBRE],
      service: [
        'web,listen=192.0.2.2:80/tcp',
        'dns,listen=[2001:db8:1::2]:53/udp,snat=fd00:9::1',
        'own,listen=dev:eth1:443/tcp',
        'ftp,listen=192.0.2.2:8000-8100/tcp,snat=none',
      ],
      backend: [
        'web,to=10.1.2.3:8080,weight=3',
        'web,to=203.0.113.5:8080,weight=0',
        'web,to=10.1.2.4',
        'dns,to=[fd00:9::53]:5353',
        'dns,to=fd00:9::54',
        'ftp,to=10.1.2.3',
        'own,to=10.1.2.3',
        'own,to=10.1.2.4,tier=2',
      ],
      'kernel-mode': 'nth',
      'forward-accept': true,
      'log-kernel': true,
    },
  },
  queues: {
    raw: {
      wan: [DSL],
      'queue-num': '3',
      queues: '4',
      service: ['web,listen=198.51.100.2:80/tcp'],
      backend: ['web,to=10.1.2.3'],
    },
  },
  'services-alone': {
    raw: {
      service: ['all,listen=192.0.2.9/any'],
      backend: ['all,to=10.1.2.3,mark=5', 'all,to=10.1.2.4'],
      'backend-mask': '0xf0000',
      'service-queue': '7',
    },
  },
  'shared-port': {
    raw: {
      wan: [
        'fibre,dev=port0,via=192.0.2.1,nat=none',
        'dsl,dev=port0,via=198.51.100.1,nat=198.51.100.2',
        'unknown-gateway,dev=port0,via=203.0.113.9,nat=203.0.113.0/24',
      ],
      'queue-num': '7',
    },
    iptables: 'iptables-legacy',
  },
};
