import type { CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { ruleFlags } from '../../config/flags.js';
import { RUN_OPTIONS, WAN_OPTIONS } from '../../config/options.js';
import { loadStrategy } from '../../config/strategy.js';
import { hex } from '../../core/mark.js';
import { Daemon } from '../../daemon/daemon.js';
import { createLog, type Log } from '../../log.js';
import { checkDevices, listDevices } from '../../system/devices.js';
import { isFed } from '../../system/feed.js';
import { addOptions, rawConfig } from '../options.js';

/** `run`: the daemon. Everything is checked before the queue is bound, so a mistake changes nothing. */
export const runCommand: CommandModule = {
  command: 'run',
  describe: 'Choose a mark for each new connection (the daemon)',
  builder: (yargs) => addOptions(yargs, { ...WAN_OPTIONS, ...RUN_OPTIONS }),
  handler: async (argv) => {
    const config = parseConfig(rawConfig(argv));
    const now = () => performance.now();
    const strategy = await loadStrategy(config.strategy, { random: Math.random, now });
    if (!config.bare) await checkDevices(config.wans, config.lan);
    const devices = config.bare ? [] : await listDevices();
    const ended = endOfRun();
    const log = createLog();
    try {
      const { logger } = log;
      const daemon = Daemon.start({ config, strategy, devices, logger, now, onLost: ended.fail });
      try {
        await adviseFeed(config, log);
        await ended.wait;
      } finally {
        await daemon.stop();
        if (log.dropped() > 0)
          logger.warn({ lines: log.dropped() }, 'log lines were dropped: the reader is too slow');
      }
    } finally {
      log.flush();
    }
  },
};

/** Settles with SIGTERM or SIGINT; fails when the queue is lost. A second signal ends the process at once. */
function endOfRun(): { wait: Promise<void>; fail: (error: Error) => void } {
  let fail: (error: Error) => void = () => undefined;
  const wait = new Promise<void>((resolve, reject) => {
    fail = reject;
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  // Between the queue's opening and our waiting for it, a failure must not count as unhandled.
  wait.catch(() => undefined);
  return { wait, fail };
}

/** Says what would feed the queue when nothing does; with bare marks the line is always of use. */
async function adviseFeed(config: Config, { logger }: Log): Promise<void> {
  const command = feedCommand(config);
  if (config.bare) logger.info(`this rule feeds the queue: ${command}`);
  if ((await isFed(config.queueNum)) === false) {
    logger.warn(
      { command },
      `no rule feeds queue ${config.queueNum}, so nothing will be marked; run: ${command}`,
    );
  }
}

function feedCommand(config: Config): string {
  if (!config.bare) return `wanmark up ${ruleFlags(config)}`;
  return (
    `iptables -t mangle -A PREROUTING -m conntrack --ctstate NEW -m mark --mark 0/${hex(config.field.mask)} ` +
    `-j NFQUEUE --queue-num ${config.queueNum} --queue-bypass`
  );
}
