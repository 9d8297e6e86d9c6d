import type { Logger } from 'pino';
import { flush, type Selection } from '../conntrack/requests.js';
import { type EventSink, NO_EVENTS } from '../core/event.js';
import type { MarkField } from '../core/mark.js';
import { type Backend, backendName, type Service } from '../core/service.js';
import { type TargetId, targetId } from '../core/target.js';
import type { HealthChange } from '../wan/health.js';
import { noteCut } from './failover.js';

/** A connection that was never answered can still go to another server without the client noticing. */
const UNANSWERED: Selection = { unanswered: true };

export interface ServerCutsParts {
  readonly service: Service;
  /** That of the backends. */
  readonly field: MarkField;
  /** The connections that are cut when their server dies. */
  readonly cut: Selection;
  /** The names of the targets that new connections to the service may be given to. */
  readonly candidates: () => ReadonlySet<string>;
  readonly logger: Pick<Logger, 'error'>;
  readonly events?: EventSink;
  readonly flush?: typeof flush;
}

/**
 * Cuts the connections of a service's servers that are down, so that clients make them again to another one; none while
 * there is no other one, since they may as well wait for theirs then.
 */
export class ServerCuts {
  readonly #parts: ServerCutsParts;
  /** Servers that are down, with connections that are cut once another server has shown that it works. */
  readonly #waiting = new Map<TargetId, HealthChange>();

  /** @param parts the service may become another one meanwhile */
  constructor(parts: ServerCutsParts) {
    this.#parts = parts;
  }

  /** Cuts what has no answer yet: its packets are decided anew at their next retransmission. */
  unanswered(backend: Backend): Promise<void> {
    return this.#cut(backend, UNANSWERED);
  }

  /** Cuts what the configuration says. */
  all(backend: Backend): Promise<void> {
    return this.#cut(backend, this.#parts.cut);
  }

  /** Has a server that went down wait for a round of another one that began later. */
  wait(change: HealthChange): void {
    this.#waiting.set(targetId(change.wan, change.family), change);
  }

  /** Leaves a server that waits its connections. */
  spare(id: TargetId): void {
    this.#waiting.delete(id);
  }

  /** Leaves all servers that wait theirs. */
  spareAll(): void {
    this.#waiting.clear();
  }

  /** Spares the servers with other names. */
  keep(names: readonly string[]): void {
    for (const [id, { wan }] of this.#waiting) if (!names.includes(wan)) this.#waiting.delete(id);
  }

  /** Takes in that a server passed a round. @param began when the round began, in milliseconds of the clock */
  passed(began: number): void {
    for (const [id, { wan, since }] of this.#waiting) {
      if (began < since) continue;
      this.#waiting.delete(id);
      const { service } = this.#parts;
      const backend = service.backends.find((one) => backendName(service, one) === wan);
      if (backend !== undefined) void this.all(backend);
    }
  }

  /** Never rejects. */
  async #cut(backend: Backend, selection: Selection): Promise<void> {
    const { service, field, candidates, logger, events = NO_EVENTS } = this.#parts;
    if (candidates().size === 0) return;
    const name = backendName(service, backend);
    const { family } = service;
    try {
      const cut = this.#parts.flush ?? flush;
      const flushed = await cut(field.encode(backend.mark), field.mask, { ...selection, family });
      noteCut(events, { target: name, family, selection, flushed });
    } catch (error) {
      logger.error(`connections of backend ${name} could not be cut: ${(error as Error).message}`);
    }
  }
}
