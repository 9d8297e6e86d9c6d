/** Exit codes of the command line: 1 when something on the system failed, 2 for wrong usage or configuration. */
export type ExitCode = 1 | 2;

/**
 * An error whose message is for the user: one line that says what is wrong and what to do about it.
 * The command line prints the message alone; any other error is a bug and is printed with its stack.
 */
export class WanmarkError extends Error {
  /** A stable word for programs: `USAGE`, `QUEUE_TAKEN`, ... */
  readonly code: string;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, exitCode: ExitCode, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** Wrong flags or a wrong configuration; nothing was changed. */
export class UsageError extends WanmarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('USAGE', message, 2, options);
  }
}

/** Something on the system failed: a privilege, a program or a kernel feature is missing, or a command failed. */
export class SystemError extends WanmarkError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(code, message, 1, options);
  }
}

/**
 * Whether an error says that the system refused something: one of ours, or one of Node's or the addon's, which have an
 * `errno`. Any other error is a bug.
 */
export function isRefusal(error: unknown): error is Error {
  return error instanceof WanmarkError || (error instanceof Error && 'errno' in error);
}
