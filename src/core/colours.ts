/** Whether a terminal is to get colours: https://no-color.org says how a user refuses them. */
export function wantsColours(isTerminal: boolean | undefined, env: NodeJS.ProcessEnv): boolean {
  return isTerminal === true && !env.NO_COLOR && env.TERM !== 'dumb';
}
