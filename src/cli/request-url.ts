import type { ClientOptions } from './options.js';

/** The address of a capture: the service's URL with the capture's parameters added to its query. */
export function createRequestUrl(options: ClientOptions): URL {
  const url = new URL(options.url);
  const parameters = {
    netns: options.netns?.toString(),
    container: options.container,
    nif: options.nif,
    filter: options.filter,
    chaste: options.chaste ? '' : undefined,
    duration: options.duration?.toString(),
    'max-bytes': options.maxBytes?.toString(),
    'max-packets': options.maxPackets?.toString(),
    snaplen: options.snaplen?.toString(),
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}
