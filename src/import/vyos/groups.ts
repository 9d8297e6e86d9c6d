import type { ConfigNode } from './node.js';

/** The kinds of groups with addresses, and the word before each of their values. */
const KINDS = [
  ['address-group', 'address'],
  ['network-group', 'network'],
] as const;

/** What `firewall group` says of a group that a rule names; undefined where we cannot know it. */
export function addressesOf(root: ConfigNode, side: ConfigNode): readonly string[] | undefined {
  const named = KINDS.flatMap(([kind, word]) => {
    const name = side.value('group', kind);
    return name === undefined ? [] : [{ kind, word, name }];
  });
  const [group] = named;
  if (group === undefined) return [];
  const isNot = group.name.startsWith('!');
  const name = isNot ? group.name.slice(1) : group.name;
  const members = root.at('firewall', 'group', group.kind, name)?.values(group.word) ?? [];
  if (members.length === 0 || named.length > 1) return undefined;
  return members.map((one) => (isNot ? `!${one}` : one));
}

/** The ports of a group that a rule names; undefined where we cannot know them. */
export function portsOf(root: ConfigNode, side: ConfigNode): readonly string[] | undefined {
  const given = side.value('group', 'port-group');
  if (given === undefined) return [];
  const isNot = given.startsWith('!');
  const ports =
    root.at('firewall', 'group', 'port-group', isNot ? given.slice(1) : given)?.values('port') ?? [];
  return ports.length === 0 ? undefined : ports.map((one) => (isNot ? `!${one}` : one));
}
