/** Writes the pages of docs/ that are made from the code: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { optionsPage } from './options-page.js';

writeFileSync(new URL('../../docs/options.md', import.meta.url), optionsPage());
