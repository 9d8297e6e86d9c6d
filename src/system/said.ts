import type { ExecutorEvent, Failed, Ran } from './executor.js';

/** The executor's answer for people: lines to say, and the commands that were run, in the form of a shell. */
export function saidBy(event: ExecutorEvent): { readonly said: string[]; readonly changes: string[] } {
  switch (event.event) {
    case 'ran':
      return { said: [], changes: commandLines(event) };
    case 'failed':
      return { said: [complaint(event)], changes: [] };
    case 'undoing':
      return { said: ['failed; going back to what was before'], changes: [] };
    case 'left':
      return { said: [`could not restore the ${event.what}; run 'wanmark down'`], changes: [] };
    default:
      return { said: [], changes: [] };
  }
}

/** Shows `ip -batch` as the commands that it runs. */
function commandLines({ command, input = [] }: Ran): string[] {
  const batch = /^(ip -[46]) (?:-force )?-batch$/.exec(command);
  if (batch !== null) return input.map((line) => `${batch[1]} ${line}`);
  if (input.length === 0) return [command];
  return [`${command} <<'EOF'`, ...input, 'EOF'];
}

function complaint({ command, said, line }: Failed): string {
  if (command === undefined) return said;
  if (!command.endsWith('-restore') && command !== 'nft -f -') return `'${command}' failed: ${said}`;
  const at = line === undefined ? said : `${said}: ${line}`;
  return `${command}: ${at.replaceAll(/\s+/g, ' ').slice(0, 300)}; does the kernel have these modules?`;
}
