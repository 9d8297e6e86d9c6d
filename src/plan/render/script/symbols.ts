import type { PlanConfig } from '../../../config/config.js';
import type { PolicyRule } from '../../../config/rule.js';
import { FAMILIES, type Family } from '../../../core/family.js';
import type { Backend, Service } from '../../../core/service.js';
import { carries, gatewayOf, type Wan } from '../../../core/wan.js';
import { type Device, type Facts, NO_REDIRECTIONS, neighbourKey } from '../../facts.js';
import { quoted, VariableNames } from './words.js';

/** A variable of the script: a value at its top that a person may change. */
export interface Variable {
  readonly name: string;
  /** The value in the form that sh reads. */
  readonly value: string;
  /** A comment for the end of the variable's line. */
  readonly comment?: string;
}

/** A WAN of the script. */
export interface ScriptWan {
  readonly wan: Wan;
  /** The beginning of its variables' names: `fibre` in `$fibre_weight`. */
  readonly stem: string;
  /** The variable of its device, such as `$fibre_dev`; WANs on one device share it. */
  readonly device: string;
  readonly shared: boolean;
}

/** A service of the script. */
export interface ScriptService {
  readonly service: Service;
  /** The beginning of its variables' names: `web` in `$web_address`. */
  readonly stem: string;
}

/** A configuration in which the values that a person may change are variables, such as `$fibre_dev`. */
export interface Symbols {
  readonly config: PlanConfig;
  /** Facts with which every WAN works. */
  readonly facts: Facts;
  readonly variables: readonly Variable[];
  readonly wans: readonly ScriptWan[];
  readonly services: readonly ScriptService[];
}

/** The weight in the plan, where a person may give one that the configuration does not. */
const ANY_WEIGHT = 1;

/**
 * Gives each WAN and service its variables, and makes a configuration and facts that consist of them.
 * @param keepsSets whether the rules' program keeps sets by itself, those of networks and those that others fill
 */
export function makeSymbols(config: PlanConfig, keepsSets = false): Symbols {
  const stems = new VariableNames();
  const ports = sharedDevices(config.wans);
  const portNames = new Map(ports.map((device, i) => [device, i === 0 ? 'port' : `port${i + 1}`]));
  const wans = config.wans.map((wan): ScriptWan => {
    const stem = stems.of(stemOf(wan.name));
    const port = portNames.get(wan.dev);
    return { wan, stem, device: `$${port ?? `${stem}_dev`}`, shared: port !== undefined };
  });
  const services = config.services.map((service) => ({ service, stem: stems.of(stemOf(service.name)) }));
  const symbolic: PlanConfig = {
    ...config,
    wans: wans.map(symbolicWan),
    services: services.map(({ service, stem }) => symbolicService(service, stem)),
    policies: { ...config.policies, rules: config.policies.rules.map(literalRule) },
  };
  return {
    config: symbolic,
    facts: { ...symbolicFacts(symbolic), ...(keepsSets && { keepsSets, hostsSets: true as const }) },
    wans,
    services,
    variables: [
      ...[...portNames].map(([value, name]) => ({
        name,
        value: quoted(value),
        comment: 'the device of several WANs',
      })),
      ...wans.flatMap(wanVariables),
      ...services.flatMap(({ service, stem }) => serviceVariables(service, stem)),
    ],
  };
}

/**
 * The beginning of a WAN's or service's variables. `_server` is left out, since it tells a backend's variables from
 * those of its service.
 */
function stemOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9]server/g, '_srv');
}

/** A device of a rule is no variable, so what the shell would take for one in its name is not to be. */
function literalRule(rule: PolicyRule): PolicyRule {
  const devices = rule.match.in;
  if (devices === undefined) return rule;
  const any = devices.any.map((device) => device.replaceAll(/[\\$`]/g, '\\$&'));
  return { ...rule, match: { ...rule.match, in: { ...devices, any } } };
}

function sharedDevices(wans: readonly Wan[]): string[] {
  const devices = wans.map(({ dev }) => dev);
  return [...new Set(devices.filter((dev, i) => devices.indexOf(dev) !== i))];
}

/** The variable that holds a WAN's current gateway. */
export function gatewayVariable(stem: string, family: Family): string {
  return `${stem}_gateway${family}`;
}

/** The variable that holds the gateway as it was given. */
export function viaVariable(stem: string, family: Family): string {
  return `${stem}_via${family === 6 ? '6' : ''}`;
}

function symbolicWan({ wan, stem, device }: ScriptWan): Wan {
  const via = (family: Family) => (carries(wan, family) ? `$${gatewayVariable(stem, family)}` : undefined);
  return { ...wan, dev: device, via: via(4), via6: via(6), weight: ANY_WEIGHT };
}

function wanVariables({ wan, stem, shared }: ScriptWan): Variable[] {
  return [
    ...(shared ? [] : [{ name: `${stem}_dev`, value: quoted(wan.dev) }]),
    ...FAMILIES.filter((family) => carries(wan, family)).map((family) => ({
      name: viaVariable(stem, family),
      value: gatewayOf(wan, family)!,
      ...gatewayComment(gatewayOf(wan, family)),
    })),
    { name: `${stem}_weight`, value: String(wan.weight) },
  ];
}

function gatewayComment(via: string | undefined): Pick<Variable, 'comment'> {
  if (via === 'auto') return { comment: "the gateway of the main table's default route by the device" };
  return via === 'dev' ? { comment: 'a device that needs no gateway' } : {};
}

/** The beginning of a backend's variables: its service's and its place there. */
export function serverStem(stem: string, i: number): string {
  return `${stem}_server${i + 1}`;
}

function symbolicService(service: Service, stem: string): Service {
  return {
    ...service,
    address: service.address === undefined ? undefined : `$${stem}_address`,
    device: service.device === undefined ? undefined : `$${stem}_dev`,
    backends: service.backends.map(
      (backend, i): Backend => ({
        ...backend,
        name: `$${serverStem(stem, i)}_to`,
        address: `$${serverStem(stem, i)}`,
        weight: ANY_WEIGHT,
      }),
    ),
  };
}

function serviceVariables(service: Service, stem: string): Variable[] {
  return [
    service.address === undefined
      ? {
          name: `${stem}_dev`,
          value: quoted(service.device!),
          comment: `clients of ${service.name} ask its addresses`,
        }
      : { name: `${stem}_address`, value: service.address, comment: `what clients of ${service.name} ask` },
    ...service.backends.flatMap(({ address, port, weight }, i) => {
      const name = serverStem(stem, i);
      const to =
        port === undefined ? `$${name}` : service.family === 6 ? `"[$${name}]:${port}"` : `$${name}:${port}`;
      return [
        { name, value: address },
        { name: `${name}_to`, value: to },
        { name: `${name}_weight`, value: String(weight) },
      ];
    }),
  ];
}

/** Facts in which every device and ipset exists, each device reaches its gateways, and may have strict rp_filter. */
function symbolicFacts({ wans, policies }: PlanConfig): Facts {
  const device: Device = { index: 1, up: true, pointToPoint: false, ethernet: false };
  return {
    devices: new Map(wans.map(({ dev }) => [dev, device])),
    main: { 4: [], 6: [] },
    rules: { 4: [], 6: [] },
    addresses: { 4: [], 6: [] },
    onLink: new Set(
      wans.flatMap(({ dev, via, via6 }) =>
        [via, via6].flatMap((gateway) => (gateway === undefined ? [] : [neighbourKey(dev, gateway)])),
      ),
    ),
    macs: new Map(),
    networks: new Map(),
    redirections: NO_REDIRECTIONS,
    strict: new Set(wans.map(({ dev }) => dev)),
    ipsets: new Set(
      policies.sets.flatMap(({ source }) =>
        source.kind === 'external' ? FAMILIES.map((family) => `${source.ipset}/${family}`) : [],
      ),
    ),
  };
}
