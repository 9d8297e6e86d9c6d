import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { SystemError, WanmarkError } from './errors.js';
import { packagePath } from './paths.js';

/**
 * What an addon must have been built for to be loaded here: `linux-x64-glibc`, `linux-arm64-musl`. A library of another
 * libc than the process's own does not load. Which one that is, the process's own mappings say: musl's loader is called
 * ld-musl-ARCH.so.1 on every distribution. (`process.report` says so too, but takes fifty times as long.)
 *
 * @param maps the process's mappings, proc_pid_maps(5)
 */
export function addonTarget(maps = readFileSync('/proc/self/maps', 'utf8'), arch = process.arch): string {
  return `linux-${arch}-${maps.includes('/ld-musl-') ? 'musl' : 'glibc'}`;
}

/**
 * Paths where the addon may be, best first. One that was built here comes before the package's own, since somebody had a
 * reason to build it. `WANMARK_ADDON` names another build, for example with a sanitizer.
 */
function candidates(): string[] {
  const own = process.env.WANMARK_ADDON;
  if (own) return [own];
  return ['build/Release', 'build/Debug', `prebuilds/${addonTarget()}`].map((folder) =>
    packagePath(`${folder}/nfqueue.node`),
  );
}

/** What to do about an addon that is not as needed, whether this is a checkout or an installed package. */
const REBUILD = `run "npm run build:native" in ${packagePath('.')}`;

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
      `${path} was built of other sources than those in native; ${REBUILD}`,
      2,
    );
}

function load(): unknown {
  const paths = candidates();
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new SystemError(
      'ADDON_MISSING',
      `the native part is not built for ${addonTarget()} (no ${paths.join(', no ')}); ${REBUILD}`,
    );
  }
  try {
    return createRequire(import.meta.url)(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new SystemError('ADDON_BROKEN', `cannot load ${path}: ${reason}; ${REBUILD}`, { cause: error });
  }
}
