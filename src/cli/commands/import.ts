import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CommandModule } from 'yargs';
import { parseConfig } from '../../config/config.js';
import { readText } from '../../config/file.js';
import { suggestion } from '../../config/nearest.js';
import type { RawConfig } from '../../config/options.js';
import { UsageError } from '../../errors.js';
import type { Imported } from '../../import/imported.js';
import { importMwan3 } from '../../import/mwan3/import.js';
import { readUci } from '../../import/uci/read.js';
import { importVyos } from '../../import/vyos/import.js';
import { draftConfig, renderDraft } from '../../import/yaml.js';
import { valued } from '../options.js';
import { complain, say } from '../say.js';

/** Whose configurations can be read, and where each has it. */
const FILES = { mwan3: '/etc/config/mwan3', vyos: '/config/config.boot' } as const;

interface ImportArguments {
  readonly from: string | undefined;
  readonly file: string | undefined;
  readonly network: string | undefined;
}

/** The command `import`: the configuration of another program as one of ours, with a word on what is not the same. */
export const importCommand: CommandModule<object, ImportArguments> = {
  command: 'import [from] [file]',
  describe: 'Print the configuration of mwan3, VyOS or EdgeOS as one of ours',
  builder: (yargs) =>
    yargs
      .positional('from', {
        type: 'string',
        describe:
          'mwan3 (a UCI file, or what uci export prints), or vyos (with braces or as set commands; EdgeOS too) [mwan3|vyos]',
      })
      .positional('file', {
        type: 'string',
        describe: 'Where it is; /dev/stdin is standard input [FILE]',
        defaultDescription: Object.values(FILES).join(', '),
      })
      .option(
        'network',
        valued('FILE', {
          describe: "For mwan3: OpenWrt's file of interfaces, which has their devices",
          defaultDescription: 'the file "network" beside the other',
        }),
      ),
  handler: async ({ from, file, network }) => {
    const kinds = Object.keys(FILES);
    if (from === undefined)
      throw new UsageError('import needs the name of a program: wanmark import mwan3|vyos');
    if (from === 'mwan3') return tellMwan3(file ?? FILES.mwan3, network);
    if (from !== 'vyos') throw new UsageError(`unknown program "${from}"${suggestion(from, kinds)}`);
    if (network !== undefined) throw new UsageError('--network is for mwan3 alone; leave it out');
    const path = file ?? FILES.vyos;
    tell(`${path}, by wanmark import vyos`, importVyos(path, await readText(path)));
  },
};

async function tellMwan3(file: string, network: string | undefined): Promise<void> {
  const sections = readUci(file, await readText(file));
  const beside = network ?? neighbour(file);
  const others = beside === undefined ? undefined : readUci(beside, await readText(beside));
  const files = beside === undefined ? file : `${file} and ${beside}`;
  tell(`${files}, by wanmark import mwan3`, importMwan3(file, sections, others));
}

/** The interfaces of OpenWrt, where they are beside mwan3's file. */
function neighbour(file: string): string | undefined {
  const path = join(dirname(file), 'network');
  return existsSync(path) ? path : undefined;
}

function tell(source: string, { draft, findings }: Imported): void {
  const head = [`From ${source}.`, 'Above each item stand the lines that it was made of.'];
  say(renderDraft(draft, head));
  for (const { at, also, text, lost } of findings.all) {
    const others = also.length === 0 ? '' : ` (also line ${also.map(({ line }) => line).join(', ')})`;
    complain(`${at.file}:${at.line}: ${lost ? 'lost' : 'note'}: ${text}${others}`);
  }
  const refusal = refusalOf(draftConfig(draft));
  if (refusal !== undefined) complain(`lost: change what is printed before you use it: ${refusal}`);
  if (refusal !== undefined || findings.all.some(({ lost }) => lost)) process.exitCode = 1;
}

/** Why the configuration would not be accepted. */
function refusalOf(raw: RawConfig): string | undefined {
  try {
    parseConfig(raw);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return undefined;
}
