import type { Logger } from 'pino';
import type { CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { ruleFlags } from '../../config/flags.js';
import { RUN_OPTIONS, WAN_OPTIONS } from '../../config/options.js';
import { loadStrategy } from '../../config/strategy.js';
import { Counts } from '../../core/counts.js';
import { hex } from '../../core/mark.js';
import { type ConnectionSource, openConnections } from '../../daemon/connections.js';
import { Daemon, type DaemonParts } from '../../daemon/daemon.js';
import { WanmarkError } from '../../errors.js';
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
    const counts = new Counts();
    const strategy = await loadStrategy(config.strategy, {
      random: Math.random,
      now,
      get connections() {
        return counts.connections;
      },
    });
    if (!config.bare) await checkDevices(config.wans, config.lan);
    const devices = config.bare ? [] : await listDevices();
    const ended = endOfRun();
    const log = createLog();
    try {
      const { logger } = log;
      const connections = countConnections(config, counts, logger);
      // A strategy that counts begins with what is there; the kernel chooses for that moment.
      if (counts.wanted) await connections?.ready;
      const parts = { config, strategy, devices, logger, now, connections, onLost: ended.fail };
      const daemon = await startOrClose(parts);
      try {
        await adviseFeed(config, log);
        await ended.wait;
      } finally {
        await daemon.stop();
        await connections?.close();
        if (log.dropped() > 0)
          logger.warn({ lines: log.dropped() }, 'log lines were dropped: the reader is too slow');
      }
    } finally {
      log.flush();
    }
  },
};

/** Undefined where the system refuses and no strategy needs the numbers. @throws ConntrackError where one does */
function countConnections(config: Config, counts: Counts, logger: Logger): ConnectionSource | undefined {
  try {
    const source = openConnections(config, (message) => logger.warn(message));
    counts.source = (mark) => source.count(mark);
    return source;
  } catch (error) {
    const optional =
      error instanceof WanmarkError && error.code !== 'CONNTRACK_NOT_PRIVILEGED' && !counts.wanted;
    if (!optional) throw error;
    logger.warn(`connections are not counted: ${error.message}`);
    return undefined;
  }
}

/** A queue that cannot be had must not leave the counter's thread behind, which keeps the process alive. */
async function startOrClose(parts: DaemonParts): Promise<Daemon> {
  try {
    return await Daemon.start(parts);
  } catch (error) {
    await parts.connections?.close();
    throw error;
  }
}

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
