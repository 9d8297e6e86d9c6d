import { readFileSync } from 'node:fs';
import { packagePath } from '../paths.js';

/** The version of this package. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8'));
  return version;
}
