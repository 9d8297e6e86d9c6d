import type { Findings } from '../findings.js';
import type { ConfigNode } from './node.js';

/** Names the words below a node that nobody here reads, such as those of a version that is newer. */
export function loseUnknown(node: ConfigNode, known: readonly string[], findings: Findings): void {
  for (const word of node.keys) {
    if (!known.includes(word))
      findings.lost(node.lineOf(word), `"${word}" is not a word that is known here; it is left out`);
  }
}
