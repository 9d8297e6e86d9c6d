import type { ExecutorEvent, Failed, Ran } from './executor.js';

/** What an answer of the executor is for people: lines to say, and commands that were run, as a shell would take them. */
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

/** `ip -batch` is shown as the commands that it runs. */
function commandLines({ command, input = [] }: Ran): string[] {
  const batch = /^(ip -[46]) (?:-force )?-batch$/.exec(command);
  if (batch !== null) return input.map((line) => `${batch[1]} ${line}`);
  if (input.length === 0) return [command];
  return [`${command} <<'EOF'`, ...input, 'EOF'];
}

function complaint({ command, said, line }: Failed): string {
  if (command === undefined) return said;
  if (!command.endsWith('-restore')) return `'${command}' failed: ${said}`;
  const at = line === undefined ? said : `${said}: ${line}`;
  return `${command}: ${at.replaceAll(/\s+/g, ' ').slice(0, 300)}; does the kernel have these modules?`;
}
