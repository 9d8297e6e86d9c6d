import type { Logger } from 'pino';
import { RouteMonitor } from '../system/route-monitor.js';
import { refreshRules, rulesAreUp } from '../system/scripts.js';

/**
 * Keeps the installed rules true while the daemon runs: a VPN's route that comes later is an exception from then
 * on, a WAN whose device went and came back has its table again. Does nothing where `up` was not run.
 */
export class RulesKeeper {
  readonly #logger: Logger;
  readonly #monitor: RouteMonitor;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#monitor = new RouteMonitor(
      () => this.#refresh(),
      () => logger.warn('ip monitor ended; run wanmark up again after routes change'),
    );
  }

  stop(): void {
    this.#monitor.stop();
  }

  async #refresh(): Promise<void> {
    if (!rulesAreUp()) return;
    const { code, said, changes } = await refreshRules();
    if (code !== 0) this.#logger.error({ code, said }, 'the rules could not follow the routes');
    else if (changes.length > 0) this.#logger.info({ said, changes }, 'the rules followed the routes');
  }
}
