import type { Logger } from 'pino';
import { LATER } from './changing.js';

/**
 * Loads what a daemon needs only later: to change the rules when a WAN dies, to read its configuration again, and for checks
 * that a reload brings. An upgrade by npm takes the files of the version that runs away, and what is not loaded by then can
 * never be. Packets are decided meanwhile.
 */
export async function loadLater(logger: Logger): Promise<void> {
  const all = await Promise.allSettled([
    LATER.install(),
    LATER.choice(),
    LATER.refusal(),
    LATER.look?.(),
    import('../config/yaml.js'),
    import('../config/mistake.js'),
    import('../wan/check/ping.js'),
    import('../wan/check/tcp.js'),
    import('../wan/check/http.js'),
    import('../wan/check/dns.js'),
    import('../wan/check/script.js'),
  ]);
  const failed = all.find((one) => one.status === 'rejected');
  if (failed !== undefined) logger.warn(`a part of wanmark cannot be loaded: ${failed.reason}; restart it`);
}
