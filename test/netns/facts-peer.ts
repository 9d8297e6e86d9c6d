/**
 * Reads facts in a namespace: `facts-peer.js read|ask CONFIG`, with the options as JSON. `ask` first makes the kernel
 * resolve the gateways on shared devices. Prints the facts as JSON, with maps and sets as lists.
 */
import { parseConfig } from '#wanmark/config/config.js';
import { readFacts } from '#wanmark/system/facts.js';
import { askNeighbours } from '#wanmark/system/neighbours.js';

const [verb, options = ''] = process.argv.slice(2);
const config = parseConfig(JSON.parse(options));
const macs = verb === 'ask' ? await askNeighbours(config, new Map()) : undefined;
const facts = { ...readFacts(config), ...(macs && { macs }) };
process.stdout.write(
  JSON.stringify(facts, (_, value) => (value instanceof Map || value instanceof Set ? [...value] : value)),
);
