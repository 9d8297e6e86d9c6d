import type { CommandModule } from 'yargs';
import type { Event } from '../../core/event.js';
import { printableJson } from '../../core/printable.js';
import { SystemError } from '../../errors.js';
import { journalPath, readJournal } from '../../system/journal.js';
import { eventLine } from '../event-text.js';
import { valued } from '../options.js';
import { say } from '../say.js';
import { parseSince } from '../since.js';

interface EventsArguments {
  readonly since: string | undefined;
  readonly json: boolean | undefined;
}

/** The command `events`: reads the journal, whether a daemon runs or not. */
export const eventsCommand: CommandModule<object, EventsArguments> = {
  command: 'events',
  describe: 'What happened: changes of state, what was cut and moved, repairs, failed hooks',
  builder: (yargs) =>
    yargs
      .option(
        'since',
        valued('WHEN', {
          describe: 'Only what is newer: 10min, 2h, 3d, 14:30, 2026-11-30T14:30',
        }),
      )
      .option('json', { type: 'boolean', describe: 'One JSON object a line' }),
  handler: ({ since, json }) => {
    const from = since === undefined ? Number.NEGATIVE_INFINITY : parseSince(since, new Date());
    const events = read().filter(({ at }) => Date.parse(at) >= from);
    const line = json ? (event: Event) => printableJson(JSON.stringify(event)) : eventLine;
    if (events.length > 0) say(`${events.map(line).join('\n')}\n`);
    else if (!json) say(`nothing happened${since === undefined ? '' : ` since ${since}`}\n`);
  },
};

/** @throws SystemError in one line */
function read(): readonly Event[] {
  const path = journalPath();
  try {
    return readJournal(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      throw new SystemError('NO_PRIVILEGE', `permission denied: ${path}; use sudo`);
    throw new SystemError('JOURNAL', `cannot read ${path}: ${message}`);
  }
}
