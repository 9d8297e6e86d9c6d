import type { QuickLook } from '../system/quick-look.js';

/** What changes the rules. */
export interface Changing {
  readonly install: () => Promise<Pick<typeof import('../system/install.js'), 'refreshRules'>>;
  readonly choice: () => Promise<Pick<typeof import('../system/choice.js'), 'changeChoice'>>;
  readonly refusal: () => Promise<Pick<typeof import('../plan/kernel-choice.js'), 'choiceRefusal'>>;
  /** Undefined: every pass starts programs. */
  readonly look?: () => Promise<QuickLook>;
}

/** The plan and what carries it out are a tenth of a start, so they are loaded after the first packets can be answered. */
export const LATER: Changing = {
  install: () => import('../system/install.js'),
  choice: () => import('../system/choice.js'),
  refusal: () => import('../plan/kernel-choice.js'),
  look: async () => new (await import('../system/quick-look.js')).QuickLook(),
};
