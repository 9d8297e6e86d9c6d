/** Writes what is made from the code: the pages of docs/ that are, the manual, the schema of the configuration file, and the ready scripts. `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { doctorPage } from './doctor-page.js';
import { manualPages } from './manual.js';
import { optionsPage } from './options-page.js';
import { ROOT } from './pages.js';
import { readyScripts } from './ready-scripts.js';
import { schemaText } from './schema.js';

writeFileSync(`${ROOT}docs/options.md`, optionsPage());
writeFileSync(`${ROOT}docs/doctor.md`, doctorPage());
writeFileSync(`${ROOT}docs/wanmark.schema.json`, schemaText());
for (const [path, text] of [...(await manualPages()), ...(await readyScripts())])
  writeFileSync(ROOT + path, text);
