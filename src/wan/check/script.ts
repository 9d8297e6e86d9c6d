import type { RunProgram } from '../../system/programs.js';
import { sourceOf } from '../probe-socket.js';
import { CANCELLED, type Check, type CheckPath, inMs } from './check.js';

/** The variables that tell a script which WAN to try. */
function environment(target: string, path: CheckPath): Record<string, string> {
  return {
    WANMARK_NAME: path.wan,
    WANMARK_DEVICE: path.device ?? '',
    WANMARK_FAMILY: String(path.family),
    WANMARK_GATEWAY: path.gateway ?? '',
    WANMARK_SOURCE: sourceOf(path) ?? '',
    WANMARK_MARK: `0x${path.mark.toString(16)}`,
    WANMARK_CHECK: target,
  };
}

/**
 * Runs a program, whose exit code 0 means that the WAN works. At the time limit it is killed with all that it started.
 * The program itself has to use the WAN, for example with `ping -m $WANMARK_MARK` or `curl --interface
 * $WANMARK_DEVICE`. A program that cannot be run, or is killed by somebody else, has found nothing out.
 */
export function scriptCheck(run: RunProgram): Check {
  return async (target, path, timeoutMs, signal) => {
    const began = performance.now();
    const env = environment(target, path);
    const { code, why, said } = await run([target], { env, timeoutMs, signal });
    if (code === 0) return { ok: true, why: `exit code 0 after ${inMs(performance.now() - began)}` };
    if (why === 'cancelled') return CANCELLED;
    if (why === 'timeout') return { ok: false, why };
    if (code === undefined) return { ok: false, why: `cannot run (${why})`, inconclusive: true };
    return { ok: false, why: `exit code ${code}${said === '' ? '' : `: ${said}`}` };
  };
}
