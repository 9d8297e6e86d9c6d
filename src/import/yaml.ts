import { basename } from 'node:path';
import { Document, isMap, isScalar, type Node, type Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { RawConfig } from '../config/options.js';
import { printable } from '../core/printable.js';
import { type Draft, type Item, type Keys, LISTS } from './draft.js';

/** A draft as the file of it is read. */
export function draftConfig(draft: Draft): RawConfig {
  const lists = LISTS.map((list) => [list, draft[list].map(({ keys }) => keys)] as const);
  const options = draft.options.flatMap(({ keys }) => Object.entries(keys));
  return Object.fromEntries([...options, ...lists.filter(([, items]) => items.length > 0)]);
}

/** Long lists are written with a line for each entry. */
const LONG = 12;

/**
 * A draft as YAML. Above each item stand the lines that it was made of, as comments.
 * @param head what stands at the top, as comments
 */
export function renderDraft(draft: Draft, head: readonly string[]): string {
  const document = new Document(new YAMLMap());
  document.commentBefore = comment(head);
  const top = document.contents as YAMLMap;
  for (const option of draft.options) {
    for (const [key, value] of Object.entries(option.keys)) {
      const pair = document.createPair(key, value) as Pair<Node, Node>;
      pair.key.commentBefore = comment(aboutItem(option));
      top.items.push(pair);
    }
  }
  for (const list of LISTS) {
    if (draft[list].length === 0) continue;
    const items = new YAMLSeq<Node>();
    items.items = draft[list].map((item) => itemNode(document, item));
    const key = new Scalar(list);
    key.spaceBefore = top.items.length > 0;
    top.items.push(document.createPair(key, items));
  }
  return document.toString({ lineWidth: 0 });
}

function itemNode(document: Document, item: Item): Node {
  const long = Object.values(item.keys).some((value) => Array.isArray(value) && value.length > LONG);
  const node = document.createNode(item.keys satisfies Keys, { flow: !long });
  node.commentBefore = comment(aboutItem(item));
  if (long && isMap(node)) {
    for (const { value } of node.items) {
      if (value instanceof YAMLSeq) value.flow = value.items.length <= LONG || !value.items.every(isScalar);
    }
  }
  return node;
}

function aboutItem({ from, remark }: Item): string[] {
  const lines = [...new Set(from.map(({ file, line, text }) => `${basename(file)}:${line} ${text}`))];
  return remark === undefined ? lines : [...lines, remark];
}

/** A line of a source may have what a terminal obeys, or what YAML would take for the end of a line. */
function comment(lines: readonly string[]): string {
  return lines.map((line) => ` ${printable(line.replaceAll('\t', ' '))}`).join('\n');
}
