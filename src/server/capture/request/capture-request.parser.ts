import type { IncomingMessage } from 'node:http';
import { validateFilter } from '../../../shared/protocol/capture-spec.js';
import { CaptureError, excerpt } from '../../../shared/protocol/capture-error.js';
import type { CaptureTarget } from './capture-target.js';
import { parseContainer } from './container.dto.js';
import { parseInterfaceNames } from './interface-names.js';
import {
  REQUEST_PARAMETERS,
  type ParameterDescription,
  type RequestParameter,
} from './request-parameters.js';
import { parseLimits, type RequestedLimits } from './requested-limits.js';

/** What a client asks for, validated; nothing is looked up or opened yet. */
export interface CaptureRequest {
  readonly target: CaptureTarget;
  /** Names of the interfaces wished for; empty: all of the namespace, later ones included. */
  readonly interfaces: readonly string[];
  readonly filter: string;
  readonly promiscuous: boolean;
  readonly limits: RequestedLimits;
}

/** The parts of a request that matter here. */
export type RequestHead = Pick<IncomingMessage, 'url' | 'headersDistinct'>;

/** True for the clients that show no close reason and so need it in the stream: csharg and cshargextcap. */
export function hasContainerHeader(request: RequestHead): boolean {
  return headerOf(request, 'container') !== undefined;
}

/**
 * Reads a capture request from query and headers. A header wins over the query parameter of the same
 * meaning, as API proxies drop queries, and the first value counts where a name comes twice.
 *
 * @throws CaptureError `invalid-request`, `invalid-interface`, `invalid-filter`
 */
export function parseCaptureRequest(request: RequestHead): CaptureRequest {
  const query = queryOf(request.url ?? '');
  const value = (name: RequestParameter): string | undefined => {
    const header = headerOf(request, name);
    return header === undefined ? (query.get(name) ?? undefined) : decodeHeader(header);
  };
  const target = parseTarget(value('container'), value('netns'));
  return {
    target,
    interfaces: parseInterfaceNames(value('nif')?.split('/') ?? target.interfaces),
    filter: validateFilter(value('filter') ?? ''),
    // Its presence alone counts: clients send it empty.
    promiscuous: value('chaste') === undefined,
    limits: parseLimits(value),
  };
}

function parseTarget(container: string | undefined, netns: string | undefined): CaptureTarget {
  if (container !== undefined && netns !== undefined) {
    throw new CaptureError('invalid-request', 'container and netns exclude each other, but both are given');
  }
  if (container !== undefined) return parseContainer(container);
  if (netns !== undefined) {
    return { netns: parseNetns(netns), prefix: '', type: '', nodeName: '', interfaces: [] };
  }
  throw new CaptureError(
    'invalid-request',
    'container or netns must say what to capture from, but neither is given',
  );
}

function parseNetns(text: string): number {
  const netns = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(netns) && netns > 0) return netns;
  throw new CaptureError(
    'invalid-request',
    `netns must be the inode number of a network namespace, not "${excerpt(text)}"`,
  );
}

/** Where a parameter has no header, no header can be it. */
function headerOf({ headersDistinct }: RequestHead, name: RequestParameter): string | undefined {
  const { header }: ParameterDescription = REQUEST_PARAMETERS[name];
  return header === undefined ? undefined : headersDistinct[header.toLowerCase()]?.[0];
}

function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1));
}

/** Node hands header bytes on as latin1, one character a byte; clients mean UTF-8. */
function decodeHeader(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}
