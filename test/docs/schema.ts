import type { Key, KeyTable } from '#wanmark/config/keys.js';
import { choicesOf, type Option } from '#wanmark/config/option.js';
import { OPTIONS } from '#wanmark/config/options.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { plainText } from './plain-text.js';
import { ITEMS } from './tables.js';

/** A schema, or a part of one. */
type Schema = Readonly<Record<string, unknown>>;

/** A text that YAML may take for a number, as in `dev: 1`. */
const TEXT = { type: ['string', 'number'] };
const SEVERAL = { anyOf: [{ type: 'array', items: TEXT }, TEXT] };

/**
 * The text of docs/wanmark.schema.json: what editors know of a configuration file (JSON Schema, draft 2020-12). It takes all that
 * wanmark takes, and an item as a flag would have it unseen; what hangs together over several keys is for wanmark to check.
 */
export function schemaText(): string {
  const properties = Object.entries(OPTIONS).map(([name, option]) => [
    name,
    {
      description: plainText(option.details ?? option.describe),
      ...defaulted(option),
      ...optionValue(name, option),
    },
  ]);
  const items = [...ITEMS].map(([name, [, keys]]) => [name, itemOf(keys, name)]);
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $comment: 'Written by `npm run docs` from src/config/options/ and src/config/keys.ts.',
    title: 'wanmark.yaml',
    description: 'The configuration file of wanmark (--config FILE)',
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties),
    $defs: { ...Object.fromEntries(items), ...FORMS },
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

function optionValue(name: string, option: Option): Schema {
  if (option.type === 'switch') return { type: 'boolean' };
  if (name === 'sticky') return { $ref: '#/$defs/sticky' };
  const choices = choicesOf(option);
  if (choices !== undefined) return { enum: choices };
  if (option.range !== undefined) return numberIn('integer', option.range);
  if (ITEMS.has(name)) {
    const item = { $ref: `#/$defs/${name}` };
    return { anyOf: [{ type: 'array', items: item }, item] };
  }
  if (option.type === 'list') return SEVERAL;
  return name === 'strategy' ? { ...TEXT, examples: [...STRATEGIES.keys()] } : TEXT;
}

/** An item: a map of its keys, or the text of a flag, which no keyword for maps is for. */
function itemOf(keys: KeyTable, name: string): Schema {
  const required = Object.entries(keys).flatMap(([key, { isRequired }]) => (isRequired ? [key] : []));
  return {
    type: ['object', 'string'],
    additionalProperties: false,
    required,
    // Either key has the name of the service.
    ...(name === 'backend' ? { anyOf: [{ type: 'string' }, ...ownerKeys()] } : {}),
    properties: Object.fromEntries(
      Object.entries(keys).map(([key, value]) => [
        key,
        { description: plainText(value.details), ...defaulted(value), ...keyValue(key, value) },
      ]),
    ),
  };
}

function ownerKeys(): readonly Schema[] {
  return ['service', 'name'].map((key) => ({ type: 'object', required: [key], properties: { [key]: true } }));
}

function keyValue(key: string, { takes, range, choices }: Key): Schema {
  // YAML reads 4 as a number.
  if (choices !== undefined)
    return { enum: choices.flatMap((one) => (/^\d+$/.test(one) ? [one, Number(one)] : [one])) };
  switch (takes) {
    case 'list':
      return SEVERAL;
    case 'whole':
      return numberIn('integer', range!);
    case 'decimal':
      return numberIn('number', range!);
    case 'switch':
      return { enum: [true, false, 'yes', 'no', 'on', 'off', 'true', 'false'] };
    case 'ipset':
      return { type: ['boolean', 'string'] };
    case undefined:
      return key === 'strategy' ? { ...TEXT, examples: [...STRATEGIES.keys()] } : TEXT;
    default:
      return { $ref: `#/$defs/${takes}` };
  }
}

/** A number, which may stand in quotes; a bound says nothing of a text, nor a pattern of a number. */
function numberIn(type: 'integer' | 'number', [minimum, maximum]: readonly [number, number]): Schema {
  const pattern = type === 'integer' ? '^\\d+$' : '^\\d+(\\.\\d+)?$';
  return {
    anyOf: [
      { type, minimum, maximum },
      { type: 'string', pattern },
    ],
  };
}

function defaulted({ default: standard }: { readonly default?: string }): Schema {
  if (standard === undefined) return {};
  return { default: /^\d+(\.\d+)?$/.test(standard) ? Number(standard) : standard };
}

const SHARE = numberIn('integer', [1, 65_535]);
const MEMBER = {
  type: ['object', 'string', 'number'],
  additionalProperties: false,
  required: ['wan'],
  properties: { wan: TEXT, weight: SHARE, tier: SHARE },
};

/** The forms of values that are maps. */
const FORMS: Readonly<Record<string, Schema>> = {
  members: { anyOf: [{ type: 'array', items: MEMBER, minItems: 1 }, MEMBER] },
  sticky: {
    type: ['object', 'string'],
    additionalProperties: false,
    required: ['by'],
    properties: { by: { enum: ['src', 'src+dst'] }, for: TEXT, bound: TEXT },
  },
  time: {
    type: ['object', 'array', 'string'],
    items: TEXT,
    additionalProperties: false,
    properties: { days: SEVERAL, hours: TEXT, zone: TEXT },
  },
};
