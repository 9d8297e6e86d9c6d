/** Steps that the tests with a {@link Machine} have in common. */
import assert from 'node:assert/strict';
import type { RawConfig } from '#wanmark/config/options.js';
import { type Env, type How, type Machine, type Peer, WANMARK } from './rules-harness.js';

/** Runs `wanmark VERB`, which must succeed. @returns what it says on standard error */
export function done(machine: Machine, verb: string, config?: RawConfig, how?: How): string {
  const { status, stderr } = machine.wanmark(verb, config, how);
  assert.equal(status, 0, `${verb}: ${stderr} ${JSON.stringify(config)}`);
  return stderr;
}

/** Starts a server of these ports (rules-peer.ts), in the named network namespace if one is given. */
export async function serve(
  machine: Machine,
  ports: readonly (string | number)[],
  addresses: readonly string[],
  netns?: string,
): Promise<void> {
  const peer = await machine.peer(['serve', ports.join(), ...addresses], netns);
  assert.equal(await peer.line(), 'ready');
}

/** Starts the daemon, and waits until it decides. */
export async function startDaemon(machine: Machine, config: RawConfig, env?: Env): Promise<Peer> {
  const peer = await machine.peer(['run', '--config', machine.configFile(config)], undefined, WANMARK, env);
  for (let line = await peer.line(); !line?.includes('"msg":"started"'); line = await peer.line())
    assert.notEqual(line, undefined, 'the daemon has ended');
  return peer;
}

/** The number of the WAN by whose address a server saw a connection come; any other line as it is. */
export function wanOf(line: string): string {
  return /^(?:192\.0\.(\d)\.2|2001:db8:(\d)::2)$/.exec(line)?.slice(1).join('') ?? line;
}
