/** What went wrong when the server was asked, in one line. */
export class ApiError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

async function ask<Answer>(path: string, init: RequestInit): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, 'the server does not answer');
  }
  const answer = (await response.json().catch(() => ({}))) as Answer & { error?: string };
  if (response.ok) return answer;
  throw new ApiError(response.status, answer.error ?? `the server answered ${response.status}`);
}

/** @param query what is empty is left out @throws ApiError */
export function get<Answer>(path: string, query: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const search = given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
  return ask(path + search, {});
}

/** @throws ApiError */
export function post<Answer>(path: string, body: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  return ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
}
