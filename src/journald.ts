import { fstatSync } from 'node:fs';

/** The severities of syslog(3) that are used here. */
export const SEVERITY = { err: 3, warning: 4, info: 6, debug: 7 } as const;

/**
 * Whether a descriptor leads to systemd's journal, which takes a `<N>` before a line for its severity (sd-daemon(3)). The manager notes
 * device and inode of the stream in JOURNAL_STREAM (systemd.exec(5)); a program that was started with another output
 * inherits the variable as well.
 */
export function leadsToJournal(fd: number, env: NodeJS.ProcessEnv = process.env): boolean {
  const [device, inode] = (env.JOURNAL_STREAM ?? '').split(':');
  if (!device || !inode) return false;
  try {
    const stats = fstatSync(fd, { bigint: true });
    return String(stats.dev) === device && String(stats.ino) === inode;
  } catch {
    return false;
  }
}

/** The severity of a level of pino's. */
export function severityOfLevel(level: number): number {
  if (level >= 50) return SEVERITY.err;
  if (level >= 40) return SEVERITY.warning;
  return level >= 30 ? SEVERITY.info : SEVERITY.debug;
}
