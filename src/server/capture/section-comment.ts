import { Scalar, stringify } from 'yaml';
import type { NetnsReference, TcpConnection, TcpEndpoint } from '../../shared/protocol/capture-spec.js';
import { endpointText } from '../../shared/protocol/tcp-endpoint.js';
import type { CaptureTarget } from './request/capture-request.js';

/** The lines by which clients (csharg, cshargextcap) find this comment, in order to rewrite it. */
const SECTION_COMMENT_HEAD = '---\n# capture target information\n';

/**
 * The first comment of the section header block: what the stream shows, for the user of the capture.
 *
 * Clients parse and rewrite it, so nothing may follow these attributes: others go into `serviceComment`.
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
      'container-name': target.name ?? '',
      'container-type': target.type,
      'node-name': target.nodeName,
      ...(target.cluster && { cluster: { uid: target.cluster.uid } }),
      ...(filter && { 'capture-filter': filter }),
      ...(!promiscuous && { 'no-promiscuous-mode': true }),
    })
  );
}

/**
 * The second comment of the section header block: the id of the capture, which is in the log too, the service, the
 * network namespace, and what was excluded.
 *
 * @returns YAML with a trailing newline, whose first two lines are never those of the first comment
 */
export function serviceComment(facts: {
  captureId: string;
  version: string;
  /** Absent: of a set. */
  reference?: NetnsReference;
  excludedConnections: readonly TcpConnection[];
  excludedEndpoints: readonly TcpEndpoint[];
}): string {
  const { captureId, version, reference, excludedConnections, excludedEndpoints } = facts;
  return (
    '# capture service information\n' +
    toYaml({
      capture: captureId,
      service: { name: 'packetflix', version },
      ...(reference && {
        'network-namespace': {
          inode: reference.netns,
          ...(reference.pid !== undefined && { pid: reference.pid }),
          ...(reference.startTime !== undefined && { 'start-time': reference.startTime }),
        },
      }),
      ...(excludedConnections.length > 0 && {
        'excluded-connections': excludedConnections.map((connection) => ({
          address: endpointText(connection),
          peer: endpointText({ address: connection.peerAddress, port: connection.peerPort }),
        })),
      }),
      ...(excludedEndpoints.length > 0 && { 'excluded-endpoints': excludedEndpoints.map(endpointText) }),
    })
  );
}

/**
 * Text that must be written in double quotes, which the YAML library does not do by itself: `=`, which has a type of its
 * own in YAML 1.1 (https://yaml.org/type/value.html), and text with characters that YAML 1.1 readers do not accept in
 * other styles or take for line breaks (as Go's yaml.v3, the parser of the clients, does with U+0085, U+2028 and U+2029).
 */
// eslint-disable-next-line no-control-regex -- control characters are among them
const UNUSUAL = /^=$|[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/;

/** Characters among them that the YAML library does not escape in double quotes. */
const UNESCAPED = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** YAML that readers of version 1.1 and of version 1.2 understand in the same way; long lines are not folded. */
function toYaml(mapping: Record<string, unknown>): string {
  const yaml = stringify(mapping, quoteUnusual, {
    indent: 4,
    lineWidth: 0,
    blockQuote: false,
    doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
    compat: 'yaml-1.1',
  });
  return yaml.replace(
    UNESCAPED,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function quoteUnusual(_key: unknown, value: unknown): unknown {
  if (typeof value !== 'string' || !UNUSUAL.test(value)) return value;
  const scalar = new Scalar(value);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}
