import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import yargs, { type Argv } from 'yargs';
import { loadCommands, nameOf } from '#wanmark/cli/commands.js';
import { describeCommands } from '#wanmark/cli/descriptions.js';
import { EXAMPLES } from '#wanmark/cli/examples.js';
import { parseConfig } from '#wanmark/config/config.js';
import { choicesOf } from '#wanmark/config/option.js';
import { OPTIONS } from '#wanmark/config/options.js';

const modules = await loadCommands([]);
const commands = await describeCommands();

/** The help of a command, in lines of any length. */
async function helpOf(name: string): Promise<string> {
  let text = '';
  const command = modules.find((one) => nameOf(one) === name)!;
  const parser = yargs().scriptName('wanmark').wrap(null).command(command);
  await parser.parse([name, '--help'], (_: unknown, __: unknown, output: string) => {
    text = output;
  });
  return text;
}

/** What the shell makes of a line without quotes and redirections. */
function words(line: string): readonly string[] {
  return line
    .replace(/ > \S+$/, '')
    .split(' ')
    .slice(1);
}

describe('--help', () => {
  it('has examples for every command, and for nothing else', () => {
    assert.deepEqual(Object.keys(EXAMPLES).sort(), modules.map(nameOf).sort());
    for (const [name, examples] of Object.entries(EXAMPLES)) assert.ok(examples.length > 0, name);
  });

  for (const { name, options, examples } of commands) {
    it(`of ${name} shows them, and the values of each option`, async () => {
      const help = await helpOf(name);
      for (const [line, does] of examples) assert.ok(help.includes(line) && help.includes(does), line);
      for (const { name: option, value } of options) {
        const row = help.split('\n').find((one) => one.trimStart().startsWith(`--${option} `));
        assert.ok(row?.includes(value === undefined ? '[boolean]' : `[${value}]`), `${option}: ${row}`);
      }
    });

    for (const [line] of examples) {
      it(`has an example that is right: ${line}`, async () => {
        const [first, ...rest] = words(line);
        assert.equal(first, name);
        const command = modules.find((one) => nameOf(one) === name)!;
        let argv: Readonly<Record<string, unknown>> = {};
        const build = command.builder as (yargs: Argv) => Argv;
        const parser = yargs()
          .parserConfiguration({ 'boolean-negation': false, 'camel-case-expansion': false })
          .strict()
          .exitProcess(false)
          .fail((complaint, error) => {
            throw error ?? new Error(complaint);
          })
          .command(String(command.command), '', build, (given) => {
            argv = given;
          });
        await parser.parseAsync([name, ...rest]);
        if (argv.wan === undefined || !['up', 'run'].includes(name)) return;
        const given = Object.entries(argv).filter(([key, value]) => key in OPTIONS && value !== undefined);
        parseConfig(Object.fromEntries(given));
      });
    }
  }

  it('of up shows the choices of an option', async () => {
    assert.deepEqual(choicesOf(OPTIONS.engine!), ['nfqueue', 'ahead', 'kernel']);
    const engine = commands.find(({ name }) => name === 'up')!.options.find(({ name }) => name === 'engine');
    assert.deepEqual(engine?.words, ['nfqueue', 'ahead', 'kernel']);
    assert.equal(engine?.default, 'nfqueue');
  });
});
