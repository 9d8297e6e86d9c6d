/** Why a request is not answered: an HTTP status code and one line. */
export class Refused extends Error {
  readonly code: number;
  /** After how many seconds it may be asked again. */
  readonly retryAfter: number | undefined;

  constructor(code: number, message: string, retryAfter?: number) {
    super(message);
    this.name = 'Refused';
    this.code = code;
    this.retryAfter = retryAfter;
  }
}
