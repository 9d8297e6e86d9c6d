import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { SystemError, WanmarkError } from './errors.js';
import { packagePath } from './paths.js';

/** Paths where the addon may be, best first. `WANMARK_ADDON` names another build, for example with a sanitizer. */
function candidates(): string[] {
  const own = process.env.WANMARK_ADDON;
  if (own) return [own];
  return ['Release', 'Debug'].map((kind) => packagePath(`build/${kind}/nfqueue.node`));
}

let addon: unknown;

/**
 * Loads the addon. It is loaded at the first use and not on import, so that commands which do not need it work without.
 *
 * @typeParam Addon the part of the addon that the caller uses; each folder of callers describes its own part
 * @throws SystemError `ADDON_MISSING` when the addon is not built, `ADDON_BROKEN` when it is there but does not load
 */
export function loadAddon<Addon>(): Addon {
  // Kept, since finding it takes a fifth of a millisecond, and one look at the devices loads it several times.
  addon ??= load();
  return addon as Addon;
}

/** Says which sources lie beside the program: native/sources.cjs. */
const SOURCES = packagePath('native/sources.cjs');

/** Whether the addon was found to be built of the sources that lie here. */
let isCurrent = false;

/**
 * Refuses an addon that was built of other sources than those that lie here, as after a pull without a build: it would
 * lack a function, or misread what it shares with JavaScript, in the middle of something. It is for those who change the
 * machine, at their beginning, since reading all sources takes some milliseconds. No addon at all is no matter here.
 * @throws WanmarkError `ADDON_OUTDATED`, with exit code 2
 */
export function rejectOutdatedAddon(): void {
  const path = candidates().find((candidate) => existsSync(candidate));
  if (isCurrent || path === undefined || !existsSync(SOURCES)) return;
  const { nativeSources } = createRequire(import.meta.url)(SOURCES) as { nativeSources(): string };
  isCurrent = loadAddon<{ sources?: string }>().sources === nativeSources();
  if (!isCurrent)
    throw new WanmarkError(
      'ADDON_OUTDATED',
      `${path} was built of other sources than those in native; run "npm run build:native"`,
      2,
    );
}

function load(): unknown {
  const paths = candidates();
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new SystemError(
      'ADDON_MISSING',
      `the native part is not built (no ${paths.join(', no ')}); run "npm run build:native"`,
    );
  }
  try {
    return createRequire(import.meta.url)(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new SystemError(
      'ADDON_BROKEN',
      `cannot load ${path}: ${reason}; install libmnl (apt-get install libmnl-dev) and run "npm run build:native"`,
      { cause: error },
    );
  }
}
