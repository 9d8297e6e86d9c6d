import type { Event } from '../core/event.js';
import { duration } from './duration.js';
import { counted } from './units.js';

/** One line about an event, without its time: `fibre IPv4 down after 3 h 2 min: ping 1.1.1.1: timeout`. */
export function eventText(event: Event): string {
  switch (event.kind) {
    case 'start':
      return `wanmark ${event.version} started, process ${event.pid}`;
    case 'stop':
      return `wanmark stopped after ${duration(event.uptimeSeconds)}, process ${event.pid}`;
    case 'state':
      return `${where(event)} ${event.state}${after(event.lastedSeconds)}: ${event.reason}`;
    case 'cut': {
      const connections =
        event.connections === null ? 'its connections' : counted(event.connections, 'connection');
      return `${where(event)} ${connections} cut${CUT[event.which] ?? ''}`;
    }
    case 'moved': {
      const left = event.left > 0 ? `, ${event.left} left` : '';
      return `${where(event)} ${counted(event.connections, 'connection')} moved away${left}`;
    }
    case 'repaired':
      return `${counted(event.missing, 'rule')} ${event.missing === 1 ? 'was' : 'were'} missing and put back: ${event.lines?.[0]}${event.missing > 1 ? ', ...' : ''}`;
    case 'rules':
      return `rules: ${event.error}`;
    case 'hook':
      return `${where(event)} hook ${event.hook} ${event.error}`;
    case 'set':
      return `${event.target} set: ${event.what} ${event.now}, was ${event.was}`;
    case 'reload':
      if (event.error !== null) return `reload refused: ${event.error}`;
      return `reloaded: ${event.changes.length === 0 ? 'nothing changed' : event.changes.join('; ')}`;
    default:
      // Of a later version.
      return JSON.stringify(event);
  }
}

const CUT: Readonly<Record<string, string>> = { udp: ' (UDP and unanswered)', unanswered: ' (unanswered)' };

function where({ target, family }: { readonly target: string; readonly family: number }): string {
  return `${target} IPv${family}`;
}

function after(seconds: number | null): string {
  return seconds === null || seconds === undefined ? '' : ` after ${duration(seconds)}`;
}

/** The event with its local time, as a line of `wanmark events`. */
export function eventLine(event: Event): string {
  return `${localTime(event.at)}  ${eventText(event)}`;
}

/** `2026-11-30 15:04:05`, in the time zone of this machine. */
function localTime(at: string): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}
