import { LIMIT_PARAMETERS } from './capture-limits.js';

/** A parameter of a capture request: for the parser and for the table in docs/api.md. */
export interface ParameterDescription {
  /** The header that takes precedence over the query; absent: there is none. */
  readonly header?: string;
  /** A sentence fragment in Markdown. */
  readonly meaning: string;
}

/** All parameters, by their names in the query. */
export const REQUEST_PARAMETERS = {
  netns: {
    meaning: 'inode number of a network namespace, as `stat -Lc %i /proc/1234/ns/net` prints it',
  },
  container: {
    header: 'Clustershark-Container',
    meaning: 'JSON object, see below; not together with `netns` or `targets`',
  },
  targets: {
    header: 'Clustershark-Targets',
    meaning:
      'JSON array of selectors, see below: captures from all targets that match, including those that start later, in one stream',
  },
  follow: {
    header: 'Clustershark-Follow',
    meaning:
      'if present, with any value: when the target ends, the capture waits for the next one of its name and goes on; needs the ' +
      '`name` of a container object',
  },
  nif: {
    header: 'Clustershark-Nif',
    meaning:
      'interface names, separated by `/`; absent: `network-interfaces` of the container object; empty, or with `any`, ' +
      '`all` or `@any` among the names: all interfaces of the namespace, including later ones',
  },
  filter: {
    header: 'Clustershark-Filter',
    meaning: 'capture filter, at most 4 KiB, for every interface',
  },
  chaste: {
    header: 'Clustershark-Chaste',
    meaning: 'if present, with any value: no promiscuous mode',
  },
  direction: {
    header: 'Clustershark-Direction',
    meaning: 'if present, with any value: each packet tells its direction, as `epb_flags`',
  },
  duration: {
    header: 'Clustershark-Duration',
    meaning: `seconds after which the capture ends, at most ${LIMIT_PARAMETERS.duration}`,
  },
  'max-bytes': {
    header: 'Clustershark-Max-Bytes',
    meaning: 'bytes of the stream; the capture ends before the packet that does not fit',
  },
  'max-packets': {
    header: 'Clustershark-Max-Packets',
    meaning: 'packets, over all interfaces, after which the capture ends',
  },
  snaplen: {
    header: 'Clustershark-Snaplen',
    meaning: `maximum bytes kept of each packet, at most ${LIMIT_PARAMETERS.snaplen}; the original length is recorded too`,
  },
  exclude: {
    header: 'Clustershark-Exclude',
    meaning:
      'TCP endpoints that are left out, besides those of the option `--exclude` and in the same form, separated by commas: where the ' +
      'capture is relayed',
  },
} as const satisfies Record<string, ParameterDescription>;

export type RequestParameter = keyof typeof REQUEST_PARAMETERS;
