import { loadAddon } from '../native.js';

interface DatagramAddon {
  /** Sends one datagram to a unix socket. @throws Error with `errno` */
  sendUnixDatagram(path: string, data: string): void;
}

/** The variables that systemd sets for a service: sd_notify(3), sd_watchdog_enabled(3). */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

/** Tells systemd how we are; does nothing where systemd did not start us. */
export class ServiceManager {
  readonly #path: string | undefined;
  /**
   * How often `watchdog` has to be called, in milliseconds: twice as often as systemd demands. Undefined: not at all.
   */
  readonly watchdogMs: number | undefined;
  readonly #onFault: (reason: string) => void;
  #failed = false;

  /** @param onFault told once why systemd could not be told */
  constructor(environment: ServiceEnvironment, pid: number, onFault: (reason: string) => void) {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = environment;
    // Only the first process of a virtual machine is given `vsock:`.
    this.#path = NOTIFY_SOCKET !== undefined && /^[/@]./.test(NOTIFY_SOCKET) ? NOTIFY_SOCKET : undefined;
    const usec = Number(WATCHDOG_USEC);
    const forUs = WATCHDOG_PID === undefined || WATCHDOG_PID === '' || Number(WATCHDOG_PID) === pid;
    this.watchdogMs = this.#path !== undefined && forUs && usec > 0 ? usec / 2000 : undefined;
    this.#onFault = onFault;
  }

  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${status}`);
  }

  watchdog(status: string): void {
    this.#send(`WATCHDOG=1\nSTATUS=${status}`);
  }

  stopping(): void {
    this.#send('STOPPING=1\nSTATUS=stopping');
  }

  #send(message: string): void {
    if (this.#path === undefined) return;
    try {
      loadAddon<DatagramAddon>().sendUnixDatagram(this.#path, message);
    } catch (error) {
      if (!this.#failed) this.#onFault(`${this.#path}: ${(error as Error).message}`);
      this.#failed = true;
    }
  }
}

/** Takes systemd's variables out of our environment, so that the programs we start do not speak in our name. */
export function takeServiceEnvironment(environment: NodeJS.ProcessEnv): ServiceEnvironment {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = environment;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  return { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID };
}
