import { readdirSync } from 'node:fs';
import { parseConfig } from '#wanmark/config/config.js';
import { readConfigFile } from '#wanmark/config/file.js';
import { renderScript } from '#wanmark/plan/render/script.js';
import { ROOT } from './pages.js';

const CONFIGURATIONS = `${ROOT}examples/scripts/`;

/** The ready scripts of scripts/, one for each configuration in examples/scripts/: their texts by their paths from the root. */
export async function readyScripts(): Promise<ReadonlyMap<string, string>> {
  const scripts = new Map<string, string>();
  for (const file of readdirSync(CONFIGURATIONS).sort()) {
    const config = parseConfig(await readConfigFile(CONFIGURATIONS + file));
    const text = renderScript(config, { 4: 'iptables', 6: 'ip6tables' });
    scripts.set(`scripts/${file.replace(/\.yaml$/, '.sh')}`, text);
  }
  return scripts;
}
