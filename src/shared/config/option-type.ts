/** How the text of an option becomes a value, and which values are valid. The only place that says so. */
export interface OptionType<Value> {
  /**
   * `switch`: takes no argument on the command line. `list`: commas separate items, and the flag may be repeated. `lines`: the same
   * with line breaks instead of commas.
   */
  readonly kind: 'single' | 'switch' | 'list' | 'lines';
  /** The value that a text stands for; undefined when the text is not valid. */
  readonly parse: (text: string) => Value | undefined;
  readonly accepts: (value: unknown) => boolean;
  /** Completes "--port ...", for error messages: "must be ...". */
  readonly requirement: string;
  /** What is wrong with a text that is not valid, more precisely than `requirement`; completes "--port ...". */
  readonly explain?: (text: string) => string;
}

/** @param unit plural, such as "seconds"; for the error message */
export function wholeNumber(range: { min: number; max: number; unit?: string }): OptionType<number> {
  const { min, max, unit } = range;
  const accepts = (value: unknown): boolean =>
    Number.isInteger(value) && min <= Number(value) && Number(value) <= max;
  return {
    kind: 'single',
    parse: (text) => (/^\d{1,15}$/.test(text) && accepts(Number(text)) ? Number(text) : undefined),
    accepts,
    requirement: `must be a whole number ${unit === undefined ? '' : `of ${unit} `}from ${min} to ${max}`,
  };
}

/** @param what completes "must be ..." */
export function text(pattern: RegExp, what: string): OptionType<string> {
  const accepts = (value: unknown): value is string => typeof value === 'string' && pattern.test(value);
  return {
    kind: 'single',
    parse: (given) => (accepts(given) ? given : undefined),
    accepts,
    requirement: `must be ${what}`,
  };
}

export function oneOf<const Value extends string>(...values: readonly Value[]): OptionType<Value> {
  const accepts = (value: unknown): value is Value => values.includes(value as Value);
  return {
    kind: 'single',
    parse: (given) => (accepts(given) ? given : undefined),
    accepts,
    requirement: `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`,
  };
}

/** @param what completes "must be ..." */
export function list(
  areItems: (items: readonly string[]) => boolean,
  what: string,
): OptionType<readonly string[]> {
  const accepts = (value: unknown): boolean =>
    Array.isArray(value) && value.every((item) => typeof item === 'string') && areItems(value);
  return {
    kind: 'list',
    parse: (given) => {
      const items = given.split(',').map((item) => item.trim());
      return accepts(items) ? items : undefined;
    },
    accepts,
    requirement: `must be ${what}`,
  };
}

const SWITCH_VALUES: ReadonlyMap<string, boolean> = new Map([
  ...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
]);

export const onOrOff: OptionType<boolean> = {
  kind: 'switch',
  parse: (given) => SWITCH_VALUES.get(given.toLowerCase()),
  accepts: (value) => typeof value === 'boolean',
  requirement: 'must be true or false',
};
