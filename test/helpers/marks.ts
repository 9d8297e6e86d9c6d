import { DEFAULT_MASK } from '#wanmark/config/options/wans.js';
import { hex, MarkField } from '#wanmark/core/mark.js';

/** The field of the WANs where no `--mask` is given. */
export const WAN_FIELD = new MarkField(Number(DEFAULT_MASK));
/** Its mask, as the kernel prints it. */
export const WAN_MASK = hex(WAN_FIELD.mask);

/** A WAN's mark with its mask, as the kernel prints it. */
export const markOf = (number: number) => WAN_FIELD.format(number);
