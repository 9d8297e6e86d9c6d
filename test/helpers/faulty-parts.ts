/**
 * A strategy that breaks the daemon around it: every part below throws each time it is used. It gives all connections to
 * the last WAN that is up, which the kernel's own choice would not.
 */

import { Control } from '#wanmark/control/control.js';
import { Daemon } from '#wanmark/daemon/daemon.js';
import { DeviceNames } from '#wanmark/daemon/device-names.js';
import { Failover } from '#wanmark/daemon/failover.js';
import { Hooks } from '#wanmark/daemon/hooks.js';
import { InboundWans } from '#wanmark/daemon/inbound-wans.js';
import { Mover } from '#wanmark/daemon/mover.js';
import { RulesKeeper } from '#wanmark/daemon/rules-keeper.js';
import { Suspicions } from '#wanmark/daemon/suspicions.js';
import { Uplinks } from '#wanmark/daemon/uplinks.js';
import { ServiceManager } from '#wanmark/system/service-manager.js';
import { CheckHealth } from '#wanmark/wan/check-health.js';
import { Evidence } from '#wanmark/wan/passive/evidence.js';

type Class = { readonly name: string; readonly prototype: object };

const PARTS: readonly [Class, ...string[]][] = [
  [CheckHealth, 'round'],
  [Control, 'close'],
  [Daemon, 'status'],
  [DeviceNames, 'name'],
  [Evidence, 'doubt'],
  [Failover, 'changed', 'suspicionChanged', 'lasts'],
  [Hooks, 'changed', 'stop'],
  [InboundWans, 'update'],
  [Mover, 'stop'],
  [RulesKeeper, 'setStates', 'follow', 'stop'],
  [ServiceManager, 'stopping'],
  [Suspicions, 'decided', 'tried', 'unreachable'],
  [Uplinks, 'stop'],
];

/** Breaks them, in the daemon that loads this file as a strategy and not in the test that imports it. */
if (process.argv.includes('--strategy')) {
  for (const [type, ...methods] of PARTS) {
    for (const method of methods) {
      const value = () => {
        throw new Error(`broken: ${type.name}.${method}`);
      };
      if (!(method in type.prototype)) throw new Error(`${type.name} has no ${method}`);
      Object.defineProperty(type.prototype, method, { value });
    }
  }
}

/** The names of all that throws. */
export const BROKEN = PARTS.flatMap(([type, ...methods]) =>
  methods.map((method) => `${type.name}.${method}`),
);

export default () => ({ pick: (_flow: unknown, wans: readonly unknown[]) => wans.at(-1) });
