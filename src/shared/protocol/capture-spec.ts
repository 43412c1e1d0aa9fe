import { isIP } from 'node:net';
import { RefusalError } from '../../engine/capture/refusal.js';
import {
  MAX_EXCLUSIONS,
  MAX_DURATION_SECONDS,
  MAX_FILTER_BYTES,
  MAX_SNAPSHOT_LENGTH,
  whyNotAnInterfaceName,
  type CaptureLimit,
  type CaptureLimits,
  type CaptureSpec,
  type NetnsReference,
  type TcpConnection,
  type TcpEndpoint,
} from './protocol.js';

/** Each may take 64 KiB, and all must fit into the one block that opens the stream. */
const MAX_COMMENTS = 4;

/** Servers take UUIDs; what is longer only fills memory. */
const MAX_ID_LENGTH = 64;

/** Whether this can be the name of a capture in the talk with a server. */
export function isCaptureId(id: unknown): id is string {
  return typeof id === 'string' && id.length <= MAX_ID_LENGTH;
}

/**
 * Checks an order that came across the privilege border. The server has checked what the client sent already; this
 * side does not trust the server either.
 *
 * @throws RefusalError
 */
export function validateCaptureSpec(order: unknown): CaptureSpec {
  const {
    captureId,
    reference,
    interfaces,
    filter,
    promiscuous,
    sectionComments,
    excludedConnections,
    excludedEndpoints,
    snapshotLength,
    limits,
  } = asRecord(order, 'order');
  if (typeof filter !== 'string' || Buffer.byteLength(filter) > MAX_FILTER_BYTES || filter.includes('\0')) {
    throw new RefusalError(
      'invalid-filter',
      `capture filter: must be text of at most ${MAX_FILTER_BYTES} bytes`,
    );
  }
  if (typeof promiscuous !== 'boolean') throw invalid('promiscuous', 'is not a boolean');
  return {
    ...(captureId !== undefined && { captureId: validateCaptureId(captureId) }),
    reference: validateReference(reference),
    interfaces: [...new Set(asList(interfaces, 'interfaces').map(validateInterfaceName))],
    filter,
    promiscuous,
    sectionComments: validateComments(sectionComments),
    excludedConnections: exclusions(excludedConnections, 'excludedConnections').map(validateConnection),
    excludedEndpoints: exclusions(excludedEndpoints, 'excludedEndpoints').map(validateEndpoint),
    ...(snapshotLength === undefined
      ? {}
      : { snapshotLength: positiveInteger(snapshotLength, 'snapshotLength', MAX_SNAPSHOT_LENGTH) }),
    ...(limits === undefined ? {} : { limits: validateLimits(limits) }),
  };
}

function validateCaptureId(value: unknown): string {
  if (typeof value !== 'string' || !/^[a-z-]{1,64}$/.test(value)) throw invalid('captureId', 'is not one');
  return value;
}

function validateReference(value: unknown): NetnsReference {
  const { netns, pid, startTime } = asRecord(value, 'reference');
  return {
    netns: positiveInteger(netns, 'netns'),
    ...(pid === undefined ? {} : { pid: positiveInteger(pid, 'pid') }),
    ...(startTime === undefined ? {} : { startTime: positiveInteger(startTime, 'startTime') }),
  };
}

function validateInterfaceName(name: unknown): string {
  const text = validateText(name);
  const why = whyNotAnInterfaceName(text);
  if (why)
    throw new RefusalError('invalid-interface', `interface ${JSON.stringify(text.slice(0, 32))} ${why}`);
  return text;
}

function validateComments(value: unknown): string[] {
  const comments = asList(value, 'sectionComments').map(validateText);
  if (comments.length > MAX_COMMENTS) throw invalid('sectionComments', `are more than ${MAX_COMMENTS}`);
  return comments;
}

function exclusions(value: unknown, name: string): unknown[] {
  const list = asList(value, name);
  if (list.length > MAX_EXCLUSIONS) throw invalid(name, `are more than ${MAX_EXCLUSIONS}`);
  return list;
}

function validateConnection(value: unknown): TcpConnection {
  const { address, port, peerAddress, peerPort } = asRecord(value, 'connection');
  return {
    address: ipAddress(address),
    port: positiveInteger(port, 'port'),
    peerAddress: ipAddress(peerAddress),
    peerPort: positiveInteger(peerPort, 'port'),
  };
}

function validateEndpoint(value: unknown): TcpEndpoint {
  const { address, port } = asRecord(value, 'endpoint');
  if (address === undefined) return { port: positiveInteger(port, 'port') };
  return { address: ipAddress(address), ...(port !== undefined && { port: positiveInteger(port, 'port') }) };
}

function validateLimits(value: unknown): CaptureLimits {
  const { duration, bytes, packets } = asRecord(value, 'limits');
  return {
    ...(duration === undefined
      ? {}
      : { duration: validateLimit(duration, 'duration', MAX_DURATION_SECONDS) }),
    ...(bytes === undefined ? {} : { bytes: validateLimit(bytes, 'bytes') }),
    ...(packets === undefined ? {} : { packets: validateLimit(packets, 'packets') }),
  };
}

function validateLimit(value: unknown, name: string, most?: number): CaptureLimit {
  const { atMost, setBy } = asRecord(value, name);
  if (setBy !== 'request' && setBy !== 'service') throw invalid(name, 'is set by nobody');
  return { atMost: positiveInteger(atMost, name, most), setBy };
}

function ipAddress(value: unknown): string {
  if (typeof value !== 'string' || isIP(value) === 0 || value.includes('%')) {
    throw invalid('address', 'is not an IP address');
  }
  return value;
}

function positiveInteger(value: unknown, name: string, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    throw invalid(name, 'is not a positive integer');
  }
  if (value > most) throw invalid(name, `is more than ${most}`);
  return value;
}

function validateText(value: unknown): string {
  if (typeof value !== 'string') throw invalid('text', 'is not a string');
  return value;
}

function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(name, 'is not an object');
  return value as Record<string, unknown>;
}

function asList(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(name, 'is not a list');
  return value;
}

function invalid(name: string, what: string): RefusalError {
  return new RefusalError('invalid-request', `${name} ${what}`);
}
