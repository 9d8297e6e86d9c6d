import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url));

/** The command line as it is shipped, to be started by `process.execPath`. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

// The compiler alone does not make it, so tests might say something about a command of yesterday.
const built = statSync(MAIN).mtimeMs;
for (const name of readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })) {
  if (name.endsWith('.ts') && statSync(join(SOURCES, name)).mtimeMs > built)
    throw new Error(`dist/ is older than src/${name}; run "npm run build:ts"`);
}
