import { Document, Scalar, stringify } from 'yaml';

/**
 * Characters that YAML readers do not take as they are: controls, and the line breaks of YAML 1.1, as which Go's
 * yaml.v3 still reads U+0085, U+2028 and U+2029.
 */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/;

/** Those of them that the YAML library leaves as they are inside of double quotes. */
const LEFT_UNESCAPED = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** White space at a place where a block scalar would lose it or need an indentation indicator. */
const FRAGILE_IN_BLOCK = /^[\n ]|[ ]\n|[ \n]\n$|[ ]$/;

/** What would be read as another type than text, by a reader of YAML 1.1 or of 1.2. */
const TYPED = (['1.1', 'core'] as const)
  .map((schema) => new Document(null, schema === '1.1' ? { version: '1.1' } : { schema }).schema)
  .flatMap((schema) => schema?.tags ?? [])
  .flatMap((tag) => ('test' in tag && tag.test instanceof RegExp ? [tag.test] : []));

/**
 * Marks text with the style in which Go's yaml.v3, the library of the clients, would write it: plain where nothing
 * is lost, `"123"` where it would be read as another type, `'a: b'` where it would be read as markup, `|-` for
 * several lines, and double quotes with escapes for what cannot be printed.
 */
export function yamlText(text: string): Scalar<string> {
  const scalar = new Scalar(text);
  const style = styleOf(text);
  if (style) scalar.type = style;
  return scalar;
}

/** @returns the style that is a must, or undefined: plain, or single-quoted where plain will not do */
function styleOf(text: string): Scalar.Type | undefined {
  if (UNPRINTABLE.test(text)) return Scalar.QUOTE_DOUBLE;
  if (text.includes('\n')) return FRAGILE_IN_BLOCK.test(text) ? Scalar.QUOTE_DOUBLE : Scalar.BLOCK_LITERAL;
  if (text === '' || text === '<<' || TYPED.some((test) => test.test(text))) return Scalar.QUOTE_DOUBLE;
  if (/^(---|\.\.\.)/.test(text)) return Scalar.QUOTE_SINGLE;
  return undefined;
}

/** Writes a YAML mapping whose texts come from `yamlText`; long lines are never folded. */
export function toYaml(mapping: Record<string, unknown>): string {
  const yaml = stringify(mapping, {
    indent: 4,
    lineWidth: 0,
    singleQuote: true,
    doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
  });
  // All text that has one of these is inside of double quotes: styleOf() saw to it.
  return yaml.replace(
    LEFT_UNESCAPED,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
