import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** Changes with the content. */
  readonly tag: string;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The page's own scripts, as they are compiled. */
const SCRIPTS = [
  'page',
  'api',
  'cards',
  'connections',
  'dialogs',
  'events',
  'explain',
  'format',
  'login',
  'plots',
] as const;
/** What the command line says in words, the page says in the same; these files know nothing of Node. */
const SAID = ['duration', 'event-text', 'explain-text'] as const;

/** What is served, by its path. Nothing else is ever read, so no path leads anywhere. */
function sources(): Readonly<Record<string, URL>> {
  const written = (name: string) => new URL(`../../web/${name}`, import.meta.url);
  const compiled = (name: string) => new URL(`../page/${name}`, import.meta.url);
  const packaged = (name: string) => new URL(import.meta.resolve(name));
  return {
    '/': written('index.html'),
    '/page.css': written('page.css'),
    '/icon.svg': written('icon.svg'),
    ...Object.fromEntries(SCRIPTS.map((name) => [`/${name}.js`, compiled(`${name}.js`)])),
    ...Object.fromEntries(
      SAID.map((name) => [`/said/${name}.js`, new URL(`../cli/${name}.js`, import.meta.url)]),
    ),
    '/vendor/lit-html.js': packaged('lit-html'),
    '/vendor/uplot.js': new URL('uPlot.esm.js', packaged('uplot')),
    '/vendor/uplot.css': new URL('uPlot.min.css', packaged('uplot')),
  };
}

/** Reads all files of the page, some 150 kB, so that none is read later. */
export function readAssets(): ReadonlyMap<string, Asset> {
  return new Map(
    Object.entries(sources()).map(([path, url]) => {
      const file = fileURLToPath(url);
      const body = readFileSync(file);
      const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      return [path, { type: TYPES[file.slice(file.lastIndexOf('.') + 1)]!, body, tag }];
    }),
  );
}
