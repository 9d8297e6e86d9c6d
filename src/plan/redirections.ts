import type { Redirection } from './facts.js';
import { covers, parseNetwork } from './network.js';
import type { Chain, Rule } from './plan.js';
import { leave } from './rule.js';
import type { Scene } from './scene.js';

/**
 * An intercepting proxy takes a client's connection in nat or behind our rules, and makes one of its own. The client's
 * goes nowhere, so it takes no decision: with two WANs in turn, every request would otherwise take two turns, and all of
 * the proxy's own connections would leave by the same WAN. What policy routing marks for a table of its own is alike. Nothing
 * tells beforehand what a rule behind ours will do, so their conditions are copied.
 */
const CHAIN = 'WANMARK_PROXY';

/** The chain that a new connection which came in by a device goes to. */
export function entranceOf(scene: Scene): 'WANMARK_NEW' | typeof CHAIN {
  return redirectionRules(scene).length === 0 ? 'WANMARK_NEW' : CHAIN;
}

/** The chain of redirected connections, where there are any. */
export function redirectionChains(scene: Scene): Chain[] {
  const rules = redirectionRules(scene);
  return rules.length === 0 ? [] : [{ name: CHAIN, rules: [...rules, { when: [], action: TO_NEW }] }];
}

const TO_NEW = { kind: 'goto', chain: 'WANMARK_NEW' } as const;

/** The rules up to the last one that leads a connection to this router, a network behind it or another's table. */
function redirectionRules(scene: Scene): Rule[] {
  const all = scene.facts.redirections[scene.family];
  const stays = all.map((one) => staysHere(one, scene));
  return all.slice(0, stays.lastIndexOf(true) + 1).map(({ words }, i): Rule => {
    const when = words === '' ? [] : [{ kind: 'words', text: words } as const];
    return stays[i] ? leave(...when) : { when, action: TO_NEW };
  });
}

/** Whether the connection is none of a WAN's, or another rule's: it ends here, or is led elsewhere. */
function staysHere({ to }: Redirection, { facts, family }: Scene): boolean {
  if (to === 'router' || to === 'table' || to === 'nobody') return to !== 'nobody';
  const address = parseNetwork(to);
  return facts.main[family].some(({ dst, isThrow }) => {
    const network = dst === 'default' || isThrow ? undefined : parseNetwork(dst);
    return network !== undefined && address !== undefined && covers(network, address);
  });
}
