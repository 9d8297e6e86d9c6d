/** Rules that are divided into groups: for every packet the rule that wins is the first that matches. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RuleMatch } from '#wanmark/config/match/match.js';
import type { Values } from '#wanmark/config/match/values.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { covers, type Network, parseNetwork } from '#wanmark/plan/network.js';
import type { Chain, Match, Rule } from '#wanmark/plan/plan.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { seeded } from '../helpers/random.js';
import { ROUTER } from './router.js';

interface Packet {
  readonly in: string;
  readonly from: string;
  readonly to: string;
  readonly proto: number;
  readonly dport: number;
  mark: number;
}

const WANS = ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'];
const POLICIES = ['a', 'b', 'c'];
const TARGETS = ['a', 'b', 'c', 'fibre', 'direct', 'blackhole', 'default'];

const read = new Map<string, Network>();

function network(text: string): Network {
  const known = read.get(text) ?? parseNetwork(text)!;
  read.set(text, known);
  return known;
}

const within = (outer: string, address: string) => covers(network(outer), network(address));

/** Whether a rule of the configuration is for a packet; written for this test, from what a user reads. */
function isFor(match: RuleMatch, packet: Packet): boolean {
  const holds = <T>(values: Values<T> | undefined, one: (value: T) => boolean) =>
    values === undefined || values.any.some(one) !== (values.not === true);
  return (
    holds(match.in, (device) => device === packet.in) &&
    holds(match.from, ({ text }) => within(text, packet.from)) &&
    holds(match.to, ({ text }) => within(text, packet.to)) &&
    holds(match.proto, (number) => number === packet.proto) &&
    holds(match.dport, ({ low, high }) => low <= packet.dport && packet.dport <= high)
  );
}

/** Whether a match of the plan holds, as the kernel sees it. */
function matches(match: Match, packet: Packet): boolean {
  const not = 'not' in match && match.not === true;
  const is = (): boolean => {
    switch (match.kind) {
      case 'in':
        return match.device === packet.in;
      case 'source':
        return within(match.network, packet.from);
      case 'destination':
        return within(match.network, packet.to);
      case 'protocol':
        return match.number === packet.proto;
      case 'destination-ports':
        return match.ports.some(({ low, high }) => low <= packet.dport && packet.dport <= high);
      case 'mark':
        return (packet.mark & match.bits.mask) === match.bits.value;
      default:
        throw new Error(`no packet of this test is asked for ${match.kind}`);
    }
  };
  return is() !== not;
}

/** Where a packet comes to an end, and how many rules it met. */
class Walk {
  readonly chains: ReadonlyMap<string, Chain>;
  /** The chain in which somebody else goes on, or nothing. */
  end: string | undefined;
  /** Rules on the way. */
  met = 0;

  constructor(chains: readonly Chain[]) {
    this.chains = new Map(chains.map((chain) => [chain.name, chain]));
  }

  /** Returns where the packet comes back to the caller. */
  through(name: string, packet: Packet): void {
    if (name === 'WANMARK_ASK' || name.startsWith('WANMARK_BY_')) {
      this.end = name;
      return;
    }
    for (const { when, action } of this.chains.get(name)!.rules as readonly Rule[]) {
      this.met++;
      if (!when.every((match) => matches(match, packet))) continue;
      switch (action!.kind) {
        case 'return':
          return;
        case 'set-mark':
          packet.mark = (packet.mark & ~action!.bits.mask) | action!.bits.value;
          break;
        case 'jump':
          this.through(action!.chain, packet);
          if (this.end !== undefined) return;
          break;
        case 'goto':
          this.through(action!.chain, packet);
          return;
        default:
          throw new Error(`no rule of this test does ${action!.kind}`);
      }
    }
  }
}

/** Rules in clumps of a kind, as people write them, with strays in between. */
function randomRules(random: () => number): string[] {
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(list: readonly T[]) => list[below(list.length)]!;
  const address = () => `203.0.${pick([112, 113])}.${below(12)}`;
  const client = () => pick(['10.9.0.', '10.9.1.', '10.200.0.']) + below(12);
  const device = () => pick(['lan0', 'lan1', 'wg0']);
  const ports = () => pick(['443', '1-40', '50+60-70', '!80', '5+6']);
  const many = (one: () => string) => [...new Set(Array.from({ length: 1 + below(3) }, one))].join('+');
  const kinds = [
    () => `from=${many(client)}`,
    () => `from=!${client()}`,
    () => `to=${many(address)}`,
    () => `to=203.0.${pick([112, 113])}.0/${pick([24, 28, 30])},from=${client()}`,
    () => `proto=tcp,dport=${ports()}`,
    () => `proto=udp,dport=${ports()},to=${many(address)}`,
    () => `proto=${pick(['tcp+udp', '!icmp', 'icmp', 'udp'])},from=${many(client)}`,
    () => `in=${device()},to=!${many(address)}`,
    () => `in=${device()},proto=tcp,dport=${ports()}`,
  ];
  const rules: string[] = [];
  while (rules.length < 60) {
    const kind = pick(kinds);
    for (let i = 0, size = 1 + below(14); i < size; i++) rules.push(`${pick(TARGETS)},${kind()}`);
  }
  return rules;
}

describe('rules in groups', () => {
  for (const engine of ['nfqueue', 'kernel']) {
    for (const chain of ['WANMARK_POLICY', 'WANMARK_OWN']) {
      it(`${engine}, ${chain}: the first rule that matches wins, for random rules and packets`, () => {
        let groups = 0;
        let taken = 0;
        for (let seed = 1; seed <= 10; seed++) {
          const random = seeded(seed);
          const config = parseConfig({
            wan: WANS,
            policy: POLICIES.map((name) => `${name},use=fibre+dsl`),
            rule: randomRules(random),
            engine,
          });
          const { chains } = buildPlan(config, ROUTER, NO_STATES).families[4].stages.mangle;
          groups += chains.filter(({ name }) => new RegExp(`^${chain}\\d+$`).test(name)).length;
          const below = (n: number) => Math.floor(random() * n);
          const isOwn = chain === 'WANMARK_OWN';
          for (let i = 0; i < 200; i++) {
            const packet: Packet = {
              in: isOwn ? '' : ['lan0', 'lan1', 'wg0', 'lan9'][below(4)]!,
              from: `10.${['9.0', '9.1', '200.0', '77.0'][below(4)]}.${below(14)}`,
              to: `203.0.${[112, 113, 114][below(3)]}.${below(14)}`,
              proto: [1, 6, 17, 47][below(4)]!,
              dport: [5, 6, 20, 55, 65, 80, 443, 9][below(8)]!,
              mark: 0,
            };
            const first = config.policies.rules.find(
              ({ match }) => !(isOwn && match.in) && isFor(match, packet),
            );
            const walk = new Walk(chains);
            walk.through(chain, packet);
            const wanted = ending(config, first?.policy, isOwn || engine === 'kernel');
            if (first !== undefined) taken++;
            assert.deepEqual(
              {
                end: walk.end,
                mark: isOwn && walk.end?.startsWith('WANMARK_BY_') ? wanted.mark : packet.mark,
              },
              wanted,
              JSON.stringify({ seed, packet, first }),
            );
          }
        }
        assert.ok(groups > 5, `${groups} groups`);
        assert.ok(taken > 200 && taken < 1980, `${taken} of 2,000 packets taken`);
      });
    }
  }

  /** Where a packet of a policy ends, and with which mark. */
  function ending(config: ReturnType<typeof parseConfig>, policy: string | undefined, byKernel: boolean) {
    if (policy === 'direct') return { end: undefined, mark: 0 };
    const number = config.policies.used.find(({ name }) => name === policy)?.number;
    if (policy === undefined || number === undefined) return { end: 'WANMARK_ASK', mark: 0 };
    return {
      end: byKernel ? `WANMARK_BY_${policy}` : 'WANMARK_ASK',
      mark: config.fields.wans.encode(number),
    };
  }

  it('are never entered deeper than the kernel allows (NFT_JUMP_STACK_SIZE), however many runs there are', () => {
    const rule = Array.from(
      { length: 240 },
      (_, i) => `a,proto=${i % 16 < 8 ? 'tcp' : 'udp'},dport=${i + 1}`,
    );
    const config = parseConfig({ wan: WANS, policy: ['a,use=dsl'], rule });
    const { chains } = buildPlan(config, ROUTER, NO_STATES).families[4].stages.mangle;
    const byName = new Map(chains.map((chain) => [chain.name, chain]));
    const depth = (name: string): number =>
      1 +
      Math.max(
        0,
        ...byName
          .get(name)!
          .rules.map(({ action }) => (action !== undefined && 'chain' in action ? depth(action.chain) : 0)),
      );
    assert.ok(chains.some(({ name }) => name === 'WANMARK_POLICY31'));
    assert.ok(depth('WANMARK') <= 10, `${depth('WANMARK')}`);
  });

  it('let a packet that none is for pass most of a hundred rules', () => {
    const rule = Array.from(
      { length: 100 },
      (_, i) =>
        `a,${[`from=10.9.0.${i}`, `to=198.18.${i}.0/24`, `proto=tcp,dport=${i + 1}`][Math.floor(i / 34)]}`,
    );
    const config = parseConfig({ wan: WANS, policy: ['a,use=dsl'], rule });
    const walk = new Walk(buildPlan(config, ROUTER, NO_STATES).families[4].stages.mangle.chains);
    walk.through('WANMARK_POLICY', {
      in: 'lan0',
      from: '10.77.0.1',
      to: '203.0.113.9',
      proto: 17,
      dport: 9,
      mark: 0,
    });
    assert.equal(walk.end, 'WANMARK_ASK');
    assert.ok(walk.met <= 8, `${walk.met} rules`);
  });
});
