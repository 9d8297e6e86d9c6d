import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences under which others' packages may be installed with ours (MIT): none asks more than to keep its text. */
const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'];

/** The part of package-lock.json that is read here. */
interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** The packages that an installation brings along, as folders in the checkout. */
export function installedPackages(checkout: string): string[] {
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')) as Lock;
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && !dev)
    .map(([path]) => path);
}

/** @returns a line for each package in dist/licences.txt, whose code is in a file of ours, that is not allowed there */
export function examineBundled(text: string): string[] {
  return [...text.matchAll(/^(\S+ \d+\.\d+\.\S+) \((.+)\)$/gm)]
    .filter(([, , license]) => !ALLOWED.includes(license!))
    .map(([, name, license]) => `dist has code of ${name}, whose licence is ${license}`);
}

/** @returns a line for each of the packages whose licence is not allowed, or whose text is not there */
export function examineLicences(checkout: string, packages: readonly string[]): string[] {
  return packages.flatMap((path) => {
    const folder = join(checkout, path);
    const { license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      license?: unknown;
    };
    if (typeof license !== 'string' || !ALLOWED.includes(license))
      return [
        `${path} has the licence ${JSON.stringify(license)}, which is not one of ${ALLOWED.join(', ')}`,
      ];
    const hasText = readdirSync(folder).some((name) => /^(licen[cs]e|copying|readme)/i.test(name));
    return hasText ? [] : [`${path} has no text of its licence`];
  });
}
