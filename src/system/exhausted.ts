import { constants } from 'node:os';

const CODES = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS']);
const NUMBERS = new Set([...CODES].map((code) => constants.errno[code as keyof typeof constants.errno]));

/**
 * Whether an error says that descriptors or memory have run out. Then nothing is known of what was asked, which is not the same as
 * that it is not there.
 * @param error one of Node's, with `code`, or of the addon, with `errno`
 */
export function isExhausted(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code, errno, info } = error as NodeJS.ErrnoException & { info?: { code?: string } };
  return CODES.has(info?.code ?? code ?? '') || (errno !== undefined && NUMBERS.has(Math.abs(errno)));
}
