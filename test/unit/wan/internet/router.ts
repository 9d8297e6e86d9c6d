import { pino } from 'pino';
import type { HealthConfig } from '#wanmark/config/health.js';
import type { Flow } from '#wanmark/core/flow.js';
import { MarkField } from '#wanmark/core/mark.js';
import type { Pool } from '#wanmark/core/pool.js';
import type { States } from '#wanmark/core/states.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import { targetId } from '#wanmark/core/target.js';
import type { Wan } from '#wanmark/core/wan.js';
import { Failover } from '#wanmark/daemon/failover.js';
import { type SuspicionChange, Suspicions } from '#wanmark/daemon/suspicions.js';
import { Health, type HealthChange } from '#wanmark/wan/health.js';
import { poolOf, statesOf } from '../../flows.js';
import type { EventClock } from './event-clock.js';
import type { Internet } from './internet.js';

/** IPS_SEEN_REPLY. */
const SEEN_REPLY = 2;
const TICK_MS = 100;
/** How long an entry stays after its connection was closed or given up. */
const LINGERS_MS = 10_000;

interface Entry {
  readonly mark: number;
  answered: boolean;
  /** Told when the connection is cut. */
  readonly onCut: () => void;
}

type Tuple = Pick<Flow, 'src' | 'sport' | 'dst' | 'dport'>;

const keyOf = ({ src, sport, dst, dport }: Tuple) => `${src} ${sport} ${dst} ${dport}`;

export interface RouterOptions {
  readonly wans: readonly Wan[];
  readonly strategy: Strategy;
  readonly health: HealthConfig;
}

/** The daemon's parts that judge WANs and act on that, wired as in the daemon, with a conntrack of its own. */
export class Router {
  readonly states: States;
  readonly suspicions: Suspicions;
  readonly suspected: (SuspicionChange & { readonly at: number })[] = [];
  /** The findings that a WAN is down. */
  readonly deaths: (HealthChange & { readonly at: number })[] = [];
  /** For how many ms each WAN got no new connections, since {@link Router.count}. */
  readonly avoidedMs = new Map<string, number>();
  readonly #clock: EventClock;
  readonly #internet: Internet;
  readonly #pool: Pool<Wan>;
  readonly #health: Health;
  readonly #wans: readonly Wan[];
  readonly #field = new MarkField(0xff);
  readonly #conntrack = new Map<string, Entry>();

  constructor(clock: EventClock, internet: Internet, random: () => number, options: RouterOptions) {
    const { wans, health } = options;
    this.#clock = clock;
    this.#internet = internet;
    this.#wans = wans;
    this.states = statesOf(wans, health.slowStartMs, () => clock.now());
    this.#pool = poolOf(wans, options.strategy, this.states);
    const taking = () => wans.map(({ name }) => name);
    this.#health = new Health({
      upAfterMs: health.upAfterMs,
      taking,
      onState: (change) => {
        const { wan, family, ...state } = change;
        const lastedMs = this.states.found(targetId(wan, family), state);
        if (lastedMs === undefined) return;
        if (!state.up) this.deaths.push({ ...change, at: clock.now() });
        this.suspicions.changed(wan, family, state.up);
        void failover.changed({ ...change, lastedMs });
      },
    });
    const failover = new Failover({
      wans,
      field: this.#field,
      onDown: health.onDown,
      states: this.states,
      balancer: {
        candidates: (family) => new Set(this.#pool.candidates(family).map(({ target }) => target.name)),
        forget: () => {},
      },
      logger: pino({ enabled: false }),
      follow: async () => {},
      mover: { move: async () => {} },
      flush: async (mark, _mask, { unanswered } = {}) => {
        for (const [key, entry] of this.#conntrack) {
          if (entry.mark !== mark || (unanswered && entry.answered)) continue;
          this.#conntrack.delete(key);
          if (entry.answered) entry.onCut();
        }
        return undefined;
      },
    });
    this.suspicions = new Suspicions({
      wans,
      field: this.#field,
      health,
      states: this.states,
      clock,
      working: (family) => taking().filter((name) => this.#health.state(name, family).up),
      hasOther: (wan, family) => this.#pool.hasOther(wan, family),
      path: (wan, family) => ({ wan, family, mark: 0, device: undefined }),
      gateway: () => undefined,
      forget: () => {},
      onChange: (change) => {
        this.suspected.push({ ...change, at: clock.now() });
        void failover.suspicionChanged(change);
      },
      onAsked: (wan, family, verdict) => this.#health.report(wan, family, 'asked', verdict, clock.now()),
      outside: {
        lookup: async (tuple) => {
          const entry = this.#conntrack.get(keyOf(tuple));
          if (entry === undefined) return undefined;
          const { mark, answered } = entry;
          const status = answered ? SEEN_REPLY : 0;
          return { mark, status, timeout: 100, tcpState: answered ? 'ESTABLISHED' : 'SYN_SENT' };
        },
        forget: async (questions) => questions.map((one) => this.#forget(one)),
        makeCheck: () => internet.ping,
        reach: internet.reach,
        random,
      },
    });
    this.#tick();
  }

  isAvoided(wan: string): boolean {
    const id = targetId(wan, 4);
    return !this.states.takes(id) || this.states.suspicion(id) !== undefined;
  }

  /** Carries a client's SYN. @param onAnswer called when its answer comes through */
  syn(flow: Flow, onAnswer: () => void, onCut: () => void): void {
    const key = keyOf(flow);
    const entry = this.#conntrack.get(key) ?? this.#decide(key, flow, onCut);
    if (entry === undefined) return;
    const ms = this.#internet.answerMs(this.#nameOf(entry), flow.dst);
    if (ms === undefined) return;
    this.#clock.plan(ms, () => {
      // An answer by a WAN that the connection no longer has is for nobody.
      if (this.#conntrack.get(key) !== entry) return;
      entry.answered = true;
      onAnswer();
    });
  }

  /** The name of the WAN that has a connection. */
  wanOf(flow: Flow): string | undefined {
    const entry = this.#conntrack.get(keyOf(flow));
    return entry && this.#nameOf(entry);
  }

  /** Lets go of a connection that its client closed or gave up. */
  close(flow: Flow): void {
    const key = keyOf(flow);
    const entry = this.#conntrack.get(key);
    if (entry === undefined) return;
    this.#clock.plan(LINGERS_MS, () => {
      if (this.#conntrack.get(key) === entry) this.#conntrack.delete(key);
    });
  }

  #decide(key: string, flow: Flow, onCut: () => void): Entry | undefined {
    const wan = this.#pool.select(flow, this.suspicions.tried(flow))?.candidate;
    if (wan === undefined) return undefined;
    const entry = { mark: this.#field.encode(wan.mark), answered: false, onCut };
    this.#conntrack.set(key, entry);
    this.suspicions.decided(wan.name, flow);
    return entry;
  }

  #forget({ tuple, mark }: { tuple: Tuple; mark: number }): boolean {
    const key = keyOf(tuple);
    const entry = this.#conntrack.get(key);
    if (entry === undefined || entry.answered || entry.mark !== mark) return false;
    return this.#conntrack.delete(key);
  }

  #nameOf({ mark }: Entry): string {
    return this.#wans.find((one) => one.mark === this.#field.decode(mark))!.name;
  }

  #tick(): void {
    this.#clock.plan(TICK_MS, () => {
      this.#health.tick(this.#clock.now());
      for (const { name } of this.#wans) {
        if (this.isAvoided(name)) this.avoidedMs.set(name, (this.avoidedMs.get(name) ?? 0) + TICK_MS);
      }
      this.#tick();
    });
  }
}
