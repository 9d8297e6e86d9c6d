import type { MarkField } from '../../core/mark.js';

/** A field of the mark in use, and the targets whose numbers it holds. */
export interface FieldInUse {
  readonly field: MarkField;
  /** The option that moves the field, such as `mask`. */
  readonly option: string;
  readonly targets: readonly { readonly name: string; readonly mark: number }[];
}
