import { nameOfSet, parseTargetSelectors } from '../../shared/protocol/target-selector.js';
import type { CaptureParameters } from './capture-request.js';

/**
 * The link that starts Wireshark with the plugin cshargextcap. The plugin keeps the path, and of the query only `container`, `nif`,
 * `filter` and `chaste`: the ticket in the path says what is captured, and the query only what Wireshark shows. The plugin finds its
 * target by name in the list that the ticket gets.
 *
 * @param service websocket URL of the ticket's path
 */
export function wiresharkLink(service: URL, { container, targets, nif }: CaptureParameters): string {
  const shown = container ?? setObject(targets ?? '[]', nif);
  const query = [
    `container=${encodeURIComponent(shown)}`,
    ...(nif === undefined ? [] : [`nif=${encodeURIComponent(nif)}`]),
  ];
  return `packetflix:${service.protocol}//${service.host}${service.pathname}?${query.join('&')}`;
}

function setObject(targets: string, nif: string | undefined): string {
  const name = nameOfSet(parseTargetSelectors(targets));
  return JSON.stringify({ type: 'set', name, netns: 0, 'network-interfaces': nif?.split('/') ?? ['any'] });
}
