import type { NetnsReference, TcpConnection, TcpEndpoint } from '../../shared/protocol/capture-spec.js';
import type { CaptureTarget } from './request/capture-target.js';
import { endpointText } from '../../shared/protocol/tcp-endpoint.js';
import { toYaml, yamlText } from './yaml-text.js';

/** The lines by which clients (csharg, cshargextcap) find this comment, in order to rewrite it. */
const SECTION_COMMENT_HEAD = '---\n# capture target information\n';

/**
 * The first comment of the section header block: what the stream shows, for the user of the capture.
 *
 * Clients parse and rewrite it, so nothing may follow these facts: further ones go into `serviceComment`.
 *
 * @returns YAML with a trailing newline
 */
export function sectionComment(facts: {
  target: CaptureTarget;
  filter: string;
  promiscuous: boolean;
}): string {
  const { target, filter, promiscuous } = facts;
  return (
    SECTION_COMMENT_HEAD +
    toYaml({
      'container-name': yamlText(target.name ?? ''),
      'container-type': yamlText(target.type),
      'node-name': yamlText(target.nodeName),
      ...(target.cluster && { cluster: { uid: yamlText(target.cluster.uid) } }),
      ...(filter && { 'capture-filter': yamlText(filter) }),
      ...(!promiscuous && { 'no-promiscuous-mode': true }),
    })
  );
}

/**
 * The second comment of the section header block: which capture it is in the log, who captured, from which namespace, and what was left out.
 *
 * @returns YAML with a trailing newline, whose first two lines are never those of the first comment
 */
export function serviceComment(facts: {
  captureId: string;
  version: string;
  reference: NetnsReference;
  excludedConnections: readonly TcpConnection[];
  excludedEndpoints: readonly TcpEndpoint[];
}): string {
  const { captureId, version, reference, excludedConnections, excludedEndpoints } = facts;
  return (
    '# capture service information\n' +
    toYaml({
      capture: yamlText(captureId),
      service: { name: yamlText('packetflix'), version: yamlText(version) },
      'network-namespace': {
        inode: reference.netns,
        ...(reference.pid !== undefined && { pid: reference.pid }),
        ...(reference.startTime !== undefined && { 'start-time': reference.startTime }),
      },
      ...(excludedConnections.length > 0 && {
        'excluded-connections': excludedConnections.map((connection) => ({
          address: yamlText(endpointText(connection)),
          peer: yamlText(endpointText({ address: connection.peerAddress, port: connection.peerPort })),
        })),
      }),
      ...(excludedEndpoints.length > 0 && {
        'excluded-endpoints': excludedEndpoints.map((endpoint) => yamlText(endpointText(endpoint))),
      }),
    })
  );
}
