import { parseEndpoint } from '../core/endpoint.js';
import type { Facts } from '../plan/facts.js';
import { type Run, run as runCommand } from './run.js';

/**
 * The far ends of WireGuard's and L2TP's devices, by device, which only their programs tell. Without the program they are not
 * known.
 * @param names the devices that matter
 */
export async function readEndpoints(
  names: Iterable<string>,
  devices: Facts['devices'],
  run: Run = runCommand,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const all = [...new Set(names)];
  const wireguard = all.filter((name) => devices.get(name)?.tunnel?.kind === 'wireguard');
  const unexplained = all.filter((name) => devices.get(name)?.unexplained);
  const found = await Promise.all([
    ...wireguard.map(async (name) => {
      const { code, stdout } = await run(['wg', 'show', name, 'endpoints']);
      return [[name, code === 0 ? parseEndpoints(stdout) : []] as const];
    }),
    ...(unexplained.length > 0 ? [l2tpEnds(unexplained, run)] : []),
  ]);
  return new Map(found.flat());
}

/** Lines of a peer's key and its endpoint, which is `(none)` for a peer that has not been heard of. */
function parseEndpoints(text: string): readonly string[] {
  const ends = text.split('\n').flatMap((line) => parseEndpoint(line.split('\t')[1] ?? '')?.address ?? []);
  return [...new Set(ends)].toSorted();
}

/** The far ends of those of the devices that are L2TP's: a session has the device, and its tunnel the far end. */
async function l2tpEnds(names: readonly string[], run: Run): Promise<[string, readonly string[]][]> {
  const sessions = await run(['ip', 'l2tp', 'show', 'session']);
  // Also where the kernel has no L2TP.
  if (sessions.code !== 0 || sessions.stdout === '') return [];
  const tunnels = await run(['ip', 'l2tp', 'show', 'tunnel']);
  const ends = new Map(
    [...tunnels.stdout.matchAll(/^Tunnel (\d+), .*\n *From \S+ to (\S+)/gm)].map(([, id, end]) => [id, end]),
  );
  return [...sessions.stdout.matchAll(/^Session \d+ in tunnel (\d+)\n(?: .*\n)*? *interface name: (\S+)/gm)]
    .filter(([, , name]) => names.includes(name!))
    .map(([, id, name]) => [name!, [ends.get(id) ?? []].flat()]);
}
