import Table from 'cli-table3';
import type { Status } from '../daemon/status.js';

/** `status` for people. */
export function statusTable(status: Status): string {
  const { queue } = status;
  const table = new Table({
    head: ['WAN', 'mark', 'device', 'state', 'weight', 'tier', 'connections', 'decisions', 'share', 'target'],
    colAligns: ['left', 'right', 'left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    // One line between the head and the rows would be drawn between all rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const wan of status.wans) {
    table.push([
      wan.name,
      wan.mark,
      wan.dev,
      wan.state,
      wan.weight,
      wan.tier,
      wan.connections ?? '-',
      wan.picks,
      percent(wan.share),
      percent(wan.target),
    ]);
  }
  const known = (value: number | null) => value ?? '-';
  return [
    `wanmark ${status.pid}, up ${duration(status.uptimeSeconds)}, strategy ${status.strategy}`,
    table.toString(),
    `queue ${queue.num}: ${queue.verdicts} verdicts, ${queue.kernelDecided} left to the kernel, ` +
      `${known(queue.waiting)} waiting, ${known(queue.dropped)} dropped, ${known(queue.userDropped)} dropped at the socket`,
    '',
  ].join('\n');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function duration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first === -1 ? 3 : first)
    .slice(0, 2)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}
