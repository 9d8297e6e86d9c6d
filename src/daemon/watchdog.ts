import type { ServiceManager } from '../system/service-manager.js';
import type { Isolation } from './isolation.js';

/**
 * Tells systemd that we live, as long as decisions can be made. Each sign of life goes the way of a decision, to the
 * thread that talks to the kernel and back, so it stays out when JS is blocked or that thread is stuck.
 */
export class Watchdog {
  readonly #timer: NodeJS.Timeout | undefined;

  /**
   * @param ping resolves when a decision could be made
   * @param status one line for `systemctl status`; we live without one, too
   */
  constructor(
    manager: ServiceManager,
    ping: () => Promise<unknown>,
    status: () => string,
    isolation: Isolation,
  ) {
    if (manager.watchdogMs === undefined) return;
    let waiting = false;
    const beat = async () => {
      if (waiting) return;
      waiting = true;
      await ping();
      waiting = false;
      manager.watchdog(isolation.run(status, 'no status'));
    };
    this.#timer = setInterval(() => void beat(), manager.watchdogMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
