import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process and the namespaces it is in; the start time tells it from a later one with the same number. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly startTime: string;
  /** `net:[4026532008]` and so on. */
  readonly namespaces: readonly string[];
}

const KINDS = ['net', 'mnt', 'pid', 'user'];

function read(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // "pid (name) state ppid ... starttime(22)": the name may hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    const namespaces = KINDS.map((kind) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/${kind}`);
      } catch {
        return ''; // another user's process
      }
    });
    return { pid, parent: Number(fields[1]), startTime: fields[19]!, namespaces };
  } catch {
    return undefined; // the process has ended since the listing
  }
}

/** All live processes, without zombies. */
export function processes(): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => read(Number(name)))
    .filter((info) => info !== undefined);
}

/** A process and all its descendants. */
export function family(pid: number): ProcessInfo[] {
  const all = processes();
  const members = new Set([pid]);
  for (let size = 0; size !== members.size; ) {
    size = members.size;
    for (const info of all) if (members.has(info.parent)) members.add(info.pid);
  }
  return all.filter((info) => members.has(info.pid));
}

/** The processes of `before` that are still alive, and any process in a namespace that only those had. */
export function leftovers(before: readonly ProcessInfo[]): ProcessInfo[] {
  const own = new Set(read(process.pid)!.namespaces);
  const theirs = new Set(before.flatMap((info) => info.namespaces).filter((id) => id !== '' && !own.has(id)));
  return processes().filter(
    (info) =>
      before.some(({ pid, startTime }) => pid === info.pid && startTime === info.startTime) ||
      info.namespaces.some((id) => theirs.has(id)),
  );
}
