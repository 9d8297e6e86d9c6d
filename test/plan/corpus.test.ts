/**
 * Where plans that are made of the corpus (test/corpus) lead connections, for each rule of each file: with every uplink up,
 * with each one down, and with none. test/netns/corpus.test.ts makes real ones.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { FAMILIES, type Family } from '#wanmark/core/family.js';
import { TCP, UDP } from '#wanmark/core/protocol.js';
import { targetId } from '#wanmark/core/target.js';
import { carries, gatewayOf, type Wan } from '#wanmark/core/wan.js';
import type { Packet } from '#wanmark/plan/evaluate/packet.js';
import { explain } from '#wanmark/plan/explain/explain.js';
import type { WayShown } from '#wanmark/plan/explain/explanation.js';
import {
  type Address,
  type Facts,
  type MainRoute,
  NO_REDIRECTIONS,
  neighbourKey,
} from '#wanmark/plan/facts.js';
import { covers, parseNetwork } from '#wanmark/plan/network.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { type Fixture, type Intent, readCorpus, wayOf } from '../corpus/fixture.js';
import { configOf } from '../corpus/import.js';
import { MAIN_RULE } from './router.js';

const LAN = 'br-lan';
const BRANCH = { dev: 'branch0', network: '10.250.0.0/16' };
const CLIENT = { 4: '100.127.0.2', 6: 'fd77::2' } as const;
/** The gateway of a WAN's device; undefined for one that needs none. */
function viaOf(wan: Wan, family: Family, number: number): string | undefined {
  const given = gatewayOf(wan, family);
  if (given === 'dev') return undefined;
  if (given !== undefined && given !== 'auto') return given;
  return family === 4 ? `100.64.${number}.1` : `2001:db8:640${number}::1`;
}

/** A router that has the devices of a file, a default route by each, and a branch. */
function routerOf(wans: readonly Wan[], { intents, sets }: Fixture): Facts {
  const devices = [...new Set(wans.map(({ dev }) => dev))];
  const lans = new Set([LAN, ...intents.flatMap(({ device }) => device ?? [])]);
  const number = (dev: string) => devices.indexOf(dev) + 1;
  const carried = (family: Family) => wans.filter((wan) => carries(wan, family));
  const main = (family: Family): MainRoute[] => {
    const way = (dev: string, via?: string) => ({ dev, via, unusable: false });
    const defaults = carried(family).map((wan) => ({
      dst: 'default',
      isThrow: false,
      metric: number(wan.dev),
      ways: [way(wan.dev, viaOf(wan, family, number(wan.dev)))],
    }));
    const branch = { dst: BRANCH.network, isThrow: false, metric: 0, ways: [way(BRANCH.dev)] };
    return [...defaults, ...(family === 4 ? [branch] : [])];
  };
  const addresses = (family: Family): Address[] =>
    carried(family).map(({ dev }) => ({
      dev,
      address: family === 4 ? `100.64.${number(dev)}.2/24` : `2001:db8:640${number(dev)}::2/64`,
    }));
  return {
    devices: new Map(
      [...devices, ...lans, BRANCH.dev].map((dev, i) => [
        dev,
        { index: i + 2, up: true, pointToPoint: false, ethernet: true },
      ]),
    ),
    main: { 4: main(4), 6: main(6) },
    rules: { 4: [MAIN_RULE], 6: [MAIN_RULE] },
    addresses: { 4: addresses(4), 6: addresses(6) },
    onLink: new Set(
      FAMILIES.flatMap((family) =>
        carried(family).flatMap((wan) => {
          const via = viaOf(wan, family, number(wan.dev));
          return via === undefined ? [] : [neighbourKey(wan.dev, via)];
        }),
      ),
    ),
    macs: new Map(),
    networks: new Map(),
    redirections: NO_REDIRECTIONS,
    strict: new Set(devices),
    keepsSets: true,
    keepsClients: true,
    ipsets: new Set([...sets.keys()].flatMap((name) => FAMILIES.map((family) => `${name}/${family}`))),
  };
}

function packetOf({ family, proto, own, from, device, to, port }: Intent): Packet {
  return {
    family,
    proto: proto === 'tcp' ? TCP : UDP,
    src: from ?? CLIENT[family],
    isUnbound: own,
    dst: to,
    sport: 40_000,
    dport: port,
    in: own ? undefined : (device ?? LAN),
    mac: own ? undefined : '02:00:00:00:00:01',
    user: own ? 0 : undefined,
    dscp: 0,
    mark: 0,
    at: new Date('2026-01-05T12:00:00Z'),
  };
}

/** Where ways lead, in the words of an intent. */
function namesOf(ways: readonly WayShown[]): string[] {
  const names = ways.map(({ fate, wan, dev }) => {
    if (fate !== 'leaves') return 'refused';
    return dev === BRANCH.dev ? 'branch' : (wan ?? `${dev}`);
  });
  return [...new Set(names)].sort();
}

describe('the plan of the corpus', () => {
  for (const fixture of readCorpus()) {
    it(`leads what is meant by ${fixture.name}`, () => {
      const config = parseConfig(configOf(fixture));
      const { wans } = config;
      const facts = routerOf(wans, fixture);
      const inIpset = (ipset: string, address: string) =>
        fixture.sets
          .get(ipset)
          ?.split(' ')
          .some((one) => covers(parseNetwork(one)!, parseNetwork(address)!));
      const names = wans.map(({ name }) => name);
      for (const down of [[], ...names.map((name) => [name]), names]) {
        const ids = new Set(down.flatMap((name) => FAMILIES.map((family) => targetId(name, family))));
        const states = { ...NO_STATES, down: ids };
        for (const intent of fixture.intents) {
          const way = wayOf(intent, down);
          const main = wans.find((wan) => carries(wan, intent.family))?.name ?? 'refused';
          const allowed = typeof way === 'string' ? [way === 'main' ? main : way] : way;
          const situation = { states, reasons: new Map(), strategy: config.strategy.name };
          const around = { facts, inIpset, ipsec: false };
          const { ways, withoutDaemon } = explain(config, packetOf(intent), around, situation);
          for (const found of [ways, withoutDaemon])
            assert.deepEqual(namesOf(found), allowed.toSorted(), `${intent.text}; down: ${down}`);
        }
      }
    });
  }
});
