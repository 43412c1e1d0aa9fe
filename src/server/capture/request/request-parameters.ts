import { MAX_FILTER_BYTES } from '../../../shared/protocol/capture-spec.js';
import { LIMIT_PARAMETERS, type LimitParameter } from './requested-limits.js';

/** A parameter of a capture request: everything that parsing, the README and docs/api say about it. */
export interface ParameterDescription {
  /** The header that wins over the query, where there is one. */
  readonly header?: string;
  /** In Markdown, the rest of a sentence. */
  readonly meaning: string;
  /** JSON schema of the text, as far as that can tell. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/** The one place that knows the parameters, by their names in the query. */
export const REQUEST_PARAMETERS = {
  netns: {
    meaning: 'inode number of a network namespace, as `stat -Lc %i /proc/1234/ns/net` prints it',
    schema: { type: 'string', pattern: '^\\d+$' },
  },
  container: {
    header: 'Clustershark-Container',
    meaning: 'JSON object, see below; not together with `netns`',
    schema: { type: 'string', contentMediaType: 'application/json' },
  },
  nif: {
    header: 'Clustershark-Nif',
    meaning:
      'interface names, separated by `/`; absent, empty, `any` or `all`: all of the namespace, later ones included',
    schema: { type: 'string' },
  },
  filter: {
    header: 'Clustershark-Filter',
    meaning: 'capture filter, at most 4 KiB, for every interface',
    schema: { type: 'string', maxLength: MAX_FILTER_BYTES },
  },
  chaste: {
    header: 'Clustershark-Chaste',
    meaning: 'its presence alone: no promiscuous mode',
    schema: { type: 'string' },
  },
  duration: {
    header: 'Clustershark-Duration',
    meaning: `seconds after which the capture ends, at most ${LIMIT_PARAMETERS.duration.most}`,
    schema: limitSchema('duration'),
  },
  'max-bytes': {
    header: 'Clustershark-Max-Bytes',
    meaning: 'bytes of the stream; the capture ends before the packet that does not fit',
    schema: limitSchema('max-bytes'),
  },
  'max-packets': {
    header: 'Clustershark-Max-Packets',
    meaning: 'packets, over all interfaces, after which the capture ends',
    schema: limitSchema('max-packets'),
  },
  snaplen: {
    header: 'Clustershark-Snaplen',
    meaning: `most bytes kept of each packet, at most ${LIMIT_PARAMETERS.snaplen.most}; its original length is told`,
    schema: limitSchema('snaplen'),
  },
} as const satisfies Record<string, ParameterDescription>;

export type RequestParameter = keyof typeof REQUEST_PARAMETERS;

/** The table of parameters as the README shows it; a test compares the two. */
export function markdownParameterTable(): string {
  const rows = Object.entries<ParameterDescription>(REQUEST_PARAMETERS).map(
    ([name, { header, meaning }]) =>
      `| \`${name}\` | ${header === undefined ? '' : `\`${header}\` `}| ${meaning} |`,
  );
  return ['| query | header | meaning |', '|---|---|---|', ...rows].join('\n');
}

function limitSchema(parameter: LimitParameter): Readonly<Record<string, unknown>> {
  return { type: 'integer', minimum: 1, maximum: LIMIT_PARAMETERS[parameter].most };
}
