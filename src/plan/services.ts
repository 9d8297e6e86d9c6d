import { type Backend, backendName, type PortRange, type Service } from '../core/service.js';
import { targetId } from '../core/target.js';
import { sharesOf } from './candidates.js';
import {
  type Chain,
  type Match,
  NOTHING,
  type Rule,
  type SetPlan,
  type Share,
  type StagePlan,
} from './plan.js';
import { connection, decided, hasMark, leave, logPrefix, undecided } from './rule.js';
import type { Scene } from './scene.js';

const FIRST = ['PREROUTING', 'OUTPUT'] as const;

/**
 * The chains of the services:
 *
 *     mangle PREROUTING, OUTPUT -> WANMARK_SERVICE   new, nobody chose yet: to the daemon
 *     nat    PREROUTING, OUTPUT -> WANMARK_SERVICE   which service: its WANMARK_POOL
 *            WANMARK_POOLn          nobody chose: the kernel does; then
 *            WANMARK_TOn            the connection keeps the backend's mark; DNAT by it
 *     nat    POSTROUTING -> WANMARK_NAT -> WANMARK_SNAT   where the answer would not come back here
 *
 * In mangle they are behind WANMARK, which gives what came in by a WAN that WAN's mark and which leaves services alone:
 * where nobody listens on the queue, it ends the stage.
 */
export function serviceMangle({ config, services, backendMask }: Scene): StagePlan {
  if (config.rules.engine !== 'nfqueue' || services.length === 0) return NOTHING;
  const queue = { kind: 'queue', first: config.queues.services, last: config.queues.services } as const;
  return {
    chains: [
      {
        name: 'WANMARK_SERVICE',
        rules: [
          leave({ kind: 'state', state: 'new', not: true }),
          // The connection's mark must be 0, too, since a UDP flow without replies stays NEW for ever.
          ...services.map((service) => ({
            when: [...isFor(service), undecided(backendMask), connection(0, backendMask)],
            action: queue,
          })),
        ],
      },
    ],
    hooks: FIRST.map((base) => ({ base, chain: 'WANMARK_SERVICE' })),
  };
}

/** Rules for WANMARK_NEW: connections to backends go by the main table. */
export function serviceExceptions({ services }: Scene): Rule[] {
  return services.map((service) => leave(...isFor(service)));
}

/** The services' part of the nat stage, except for {@link serviceSnat}. */
export function serviceNat(scene: Scene): StagePlan {
  const { services } = scene;
  if (services.length === 0) return NOTHING;
  return {
    chains: [
      {
        name: 'WANMARK_SERVICE',
        rules: services.map((service) => ({
          when: isFor(service),
          action: { kind: 'goto', chain: poolChain(scene, service) },
        })),
      },
      ...services.flatMap((service) => poolChains(scene, service)),
    ],
    hooks: FIRST.map((base) => ({ base, chain: 'WANMARK_SERVICE' })),
  };
}

/** The name contains the service's place in the list of all, so that the families do not share a chain. */
function poolChain({ config }: Scene, service: Service): string {
  return `WANMARK_POOL${config.services.findIndex(({ name }) => name === service.name) + 1}`;
}

/**
 * A mark that belongs to no backend of the pool, as from a daemon with another configuration, must not lose the
 * connection: the kernel then chooses as if there were no mark.
 */
function poolChains(scene: Scene, service: Service): Chain[] {
  const { config, backendMask: mask } = scene;
  const pool = poolChain(scene, service);
  const to = pool.replace('POOL', 'TO');
  const jump = { kind: 'jump', chain: to } as const;
  const shares = sharesOfService(scene, service);
  const { kernelMode: mode, kernelHash: hash } = config.rules;
  return [
    {
      name: pool,
      rules: [
        { when: [decided(mask)], action: jump },
        { when: [], action: { kind: 'set-mark', bits: { value: 0, mask } } },
        { when: [], action: { kind: 'choose', choice: { mask, mode, shares, ...(hash && { hash }) } } },
        { when: [], action: jump },
      ],
    },
    {
      name: to,
      rules: [
        { when: [], action: { kind: 'save', mask } },
        ...service.backends.flatMap((backend) => toBackend(scene, service, backend)),
      ],
    },
  ];
}

/**
 * The shares of the backends that are up. Where none is, all are tried as if they were: what is not translated would
 * reach the router's own programs.
 */
function sharesOfService(scene: Scene, service: Service): Share[] {
  const options = service.backends.map((backend) => {
    const name = backendName(service, backend);
    return { ...backend, name, id: targetId(name, service.family), value: bitsOf(scene, backend).value };
  });
  const shares = sharesOf(options, scene.states);
  return shares.length > 0 ? shares : sharesOf(options, { ...scene.states, down: new Set() });
}

function toBackend(scene: Scene, service: Service, backend: Backend): Rule[] {
  const marked = hasMark(bitsOf(scene, backend).value, scene.backendMask);
  const prefix = logPrefix(service.name, `backend=${backend.mark}`);
  return [
    ...(scene.config.rules.logKernel ? [{ when: [marked], action: { kind: 'log', prefix } as const }] : []),
    { when: [...transport(service), marked], action: { kind: 'dnat', to: backend.name } },
  ];
}

/** The chain WANMARK_SNAT, and the rule that leads to it, which comes before the WANs' own rules. */
export function serviceSnat(scene: Scene): {
  readonly entrance: readonly Rule[];
  readonly chains: readonly Chain[];
} {
  const { services, backendMask: mask } = scene;
  const rules = services
    .filter(({ snat }) => snat !== 'none')
    .flatMap((service) => service.backends.flatMap((backend) => snatRules(scene, service, backend)));
  if (rules.length === 0) return { entrance: [], chains: [] };
  return {
    entrance: [
      {
        when: [
          { kind: 'state', state: 'dnat' },
          { kind: 'connmark', bits: { value: 0, mask }, not: true },
        ],
        action: { kind: 'jump', chain: 'WANMARK_SNAT' },
      },
    ],
    chains: [{ name: 'WANMARK_SNAT', rules }],
  };
}

/**
 * Without translation, a backend would answer a client in its own network directly, past us; and the router's own
 * connections may come from an address that the backend has no way to. `auto` translates these two. Other clients keep
 * their address, since their answers have to come back through us.
 */
function snatRules(scene: Scene, { snat }: Service, backend: Backend): Rule[] {
  const which = connection(bitsOf(scene, backend).value, scene.backendMask);
  if (snat !== 'auto') return [{ when: [which], action: { kind: 'snat', address: snat } }];
  const masquerade = { kind: 'masquerade' } as const;
  return [
    { when: [which, { kind: 'source-in', set: networkSet(backend) }], action: masquerade },
    {
      when: [which, { kind: 'out', device: 'lo', not: true }, { kind: 'source-type', type: 'local' }],
      action: masquerade,
    },
  ];
}

/**
 * The filter stage, where the services' connections are to be accepted. Its jump stands first in FORWARD, because many
 * firewalls end with a rule that refuses the rest; so no rule of FORWARD can refuse these connections. RELATED are
 * their ICMP errors, without which their path MTU is not found.
 */
export function serviceForward({ config, services, backendMask }: Scene): StagePlan {
  if (!config.rules.forwardAccept || services.length === 0) return NOTHING;
  return {
    chains: [
      {
        name: 'WANMARK_FORWARD',
        rules: [
          leave(connection(0, backendMask)),
          { when: [{ kind: 'state', state: 'related' }], action: { kind: 'accept' } },
          ...services.flatMap((service) => service.backends.flatMap((one) => forwardRules(service, one))),
        ],
      },
    ],
    hooks: [{ base: 'FORWARD', chain: 'WANMARK_FORWARD' }],
  };
}

/** Matches by address and port instead of by mark, since an older connection may have another number. */
function forwardRules(service: Service, { address, port }: Backend): Rule[] {
  const ports = port === undefined ? service.ports : { low: port, high: port };
  const accept = { kind: 'accept' } as const;
  return [
    {
      when: [
        { kind: 'destination', network: address },
        ...transport(service, ports && { dport: ports }),
        { kind: 'state', state: 'dnat', direction: 'original' },
      ],
      action: accept,
    },
    {
      when: [
        { kind: 'source', network: address },
        ...transport(service, ports && { sport: ports }),
        { kind: 'state', state: 'dnat', direction: 'reply' },
      ],
      action: accept,
    },
  ];
}

/** The sets that the services' rules use. */
export function serviceSets(scene: Scene): [string, SetPlan][] {
  const { services, facts } = scene;
  const asked = services.filter(({ snat }) => snat === 'auto').flatMap(({ backends }) => backends);
  return [
    ...asked.map((backend): [string, SetPlan] => [
      networkSet(backend),
      {
        source: { from: 'route-to', address: backend.address },
        elements: [facts.networks.get(backend.address) ?? backend.address],
      },
    ]),
    ...services.flatMap(({ device }) => (device === undefined ? [] : [deviceSet(scene, device)])),
  ];
}

function deviceSet({ facts, family }: Scene, device: string): [string, SetPlan] {
  const own = facts.addresses[family].filter(({ dev }) => dev === device);
  const elements = own.map(({ address }) => address.split('/', 1)[0]!);
  return [addressSet(device), { source: { from: 'device', device }, elements }];
}

/** Names each service that nobody can reach, since its device has no address. */
export function tellServices({ services, facts, family, note }: Scene): void {
  for (const { name, device } of services) {
    if (device === undefined || facts.addresses[family].some(({ dev }) => dev === device)) continue;
    note(
      `warning: service ${name}: device ${device} has no IPv${family} address, so nobody can reach it yet`,
    );
  }
}

function addressSet(device: string): string {
  return `addresses of ${device}`;
}

function networkSet({ address }: Backend): string {
  return `network of ${address}`;
}

/** The matches for packets to a service. */
function isFor(service: Service): Match[] {
  const { address, device, ports } = service;
  const place: Match =
    address === undefined
      ? { kind: 'destination-in', set: addressSet(device!) }
      : { kind: 'destination', network: address };
  return [place, ...transport(service, ports && { dport: ports })];
}

function transport(
  { proto }: Service,
  ports: { readonly sport?: PortRange; readonly dport?: PortRange } = {},
): Match[] {
  return proto === 'any' ? [] : [{ kind: 'transport', proto, ...ports }];
}

function bitsOf({ config, backendMask }: Scene, { mark }: Backend) {
  return { value: config.fields.backends.encode(mark), mask: backendMask };
}
