import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { packagePath } from '../paths.js';

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

/** What is served, by its path. Nothing else is ever read, so no path leads anywhere. */
const FILES: Readonly<Record<string, string>> = {
  '/': 'index.html',
  '/page.js': 'page.js',
  '/page.css': 'page.css',
  '/icon.svg': 'icon.svg',
};

/** Reads all files of the page, some 150 kB, so that none is read later. */
export function readAssets(): ReadonlyMap<string, Asset> {
  return new Map(
    Object.entries(FILES).map(([path, name]) => {
      const file = packagePath(`dist/page/${name}`);
      const body = readFileSync(file);
      const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      return [path, { type: TYPES[file.slice(file.lastIndexOf('.') + 1)]!, body, tag }];
    }),
  );
}
