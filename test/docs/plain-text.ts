/** A whole sentence that leads elsewhere. */
const REFERENCE = /\. (?:See \[[^\]]+\]\([^)\s]+\)|\[Its keys\]\([^)\s]+\))(?=\.|$)/g;

/** A description of the tables without the links of its Markdown. What stands in backticks keeps them. */
export function plainText(markdown: string): string {
  return markdown.replaceAll(REFERENCE, '').replaceAll(/\[([^\]]+)\]\([^)\s]+\)/g, '$1');
}
