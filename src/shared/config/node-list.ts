import { isIPv6 } from 'node:net';
import { list, type OptionType } from './option-type.js';

/** Where the services on the nodes of a cluster are: one address, or all addresses of a name. */
export interface NodeSource {
  /** An IP address without brackets, or a host name. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Whether each address that the name service lists for the host is a node of its own, now or later. */
  readonly isNameOfAll: boolean;
}

const DEFAULT_PORT = 5001;
const ALL_OF = /^dns:/i;

export const NODES: OptionType<readonly string[]> = list(
  (items) => items.every((item) => parseNodeSource(item) !== undefined),
  'addresses of nodes, such as 192.0.2.1, worker1:5001 or https://worker1:5001, or dns:NAME:PORT',
);

/**
 * Parses `HOST[:PORT]`, `http://HOST[:PORT]`, `https://HOST[:PORT]`, or `dns:` followed by one of these.
 *
 * @returns undefined when the text is none of them
 */
export function parseNodeSource(text: string): NodeSource | undefined {
  const isNameOfAll = ALL_OF.test(text);
  const given = text.replace(ALL_OF, '');
  const bare = isIPv6(given) ? `[${given}]` : given;
  const url = URL.parse(/^https?:\/\//i.test(bare) ? bare : `http://${bare}`);
  if (!url || url.username || url.password || url.pathname !== '/' || url.search || url.hash)
    return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '') return undefined;
  return { host, port: portOf(bare, url), tls: url.protocol === 'https:', isNameOfAll };
}

/** A URL does not tell the default port of its scheme when it was given. */
function portOf(text: string, url: URL): number {
  if (url.port !== '') return Number(url.port);
  const given = /:(\d+)\/?$/.exec(text.replace(/\[.*\]/, ''))?.[1];
  return given === undefined ? DEFAULT_PORT : Number(given);
}
