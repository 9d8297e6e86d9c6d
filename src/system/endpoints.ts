import { parseEndpoint } from '../core/endpoint.js';
import type { Facts } from '../plan/facts.js';
import { type Run, run as runCommand } from './run.js';

/**
 * The far ends of WireGuard's devices, by device, which its program tells. Without the program they are not known.
 * @param names the devices that matter
 */
export async function readEndpoints(
  names: Iterable<string>,
  devices: Facts['devices'],
  run: Run = runCommand,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const wireguard = [...new Set(names)].filter((name) => devices.get(name)?.tunnel?.kind === 'wireguard');
  const found = await Promise.all(
    wireguard.map(async (name) => {
      const { code, stdout } = await run(['wg', 'show', name, 'endpoints']);
      return [name, code === 0 ? parseEndpoints(stdout) : []] as const;
    }),
  );
  return new Map(found);
}

/** Lines of a peer's key and its endpoint, which is `(none)` for a peer that has not been heard of. */
function parseEndpoints(text: string): readonly string[] {
  const ends = text.split('\n').flatMap((line) => parseEndpoint(line.split('\t')[1] ?? '')?.address ?? []);
  return [...new Set(ends)].toSorted();
}
