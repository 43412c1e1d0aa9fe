import type { IncomingMessage } from 'node:http';
import { CaptureError, excerpt } from '../../../shared/protocol/capture-error.js';
import {
  MAX_EXCLUSIONS,
  MAX_INTERFACE_NAMES,
  validateFilter,
  validateInterfaceName,
  type CaptureSpec,
  type TcpEndpoint,
} from '../../../shared/protocol/capture-spec.js';
import { endpointsFrom, isListOfEndpoints } from '../../../shared/protocol/tcp-endpoint.js';
import {
  nameOfSet,
  parseTargetSelectors,
  type TargetSelector,
} from '../../../shared/protocol/target-selector.js';
import { ticketOf } from '../../http/redeemed-ticket.js';
import { SET_TYPE } from '../../discovery/named-target-sets.js';
import { parseLimits, type CaptureMaxima } from './capture-limits.js';
import { parseContainer } from './container.dto.js';
import {
  REQUEST_PARAMETERS,
  type ParameterDescription,
  type RequestParameter,
} from './request-parameters.js';

/**
 * What a client wants to capture from, after validation: the `container` object of the API, or just an inode
 * number. Zero, empty and null of the API are absent here.
 *
 * @publicApi
 */
export interface CaptureTarget {
  /** Inode number of the network namespace. */
  readonly netns?: number;
  /** Root process of one of the containers attached to `netns`. */
  readonly pid?: number;
  /** Start time of that process: field 22 of proc_pid_stat(5), in clock ticks since boot. */
  readonly startTime?: number;
  /** Pod, container, process or bind mount name. */
  readonly name?: string;
  /** Distinguishes targets of the same name of several runtimes, as in Docker-in-Docker; usually empty. */
  readonly prefix: string;
  /** `docker`, `containerd`, `podman`, `pod`, `proc`, `bindmount`, ... */
  readonly type: string;
  readonly nodeName: string;
  readonly cluster?: { readonly context: string; readonly uid: string };
  /** Interfaces that the client knows of; empty: all. */
  readonly interfaces: readonly string[];
}

/** The parts of a capture spec that are known before a target is looked up. */
type KnownSpec = Pick<
  CaptureSpec,
  'interfaces' | 'filter' | 'promiscuous' | 'direction' | 'limits' | 'snapshotLength'
>;

/** What a client requests, validated. Nothing is looked up or opened yet. */
export interface CaptureRequest extends KnownSpec {
  /** Of a set: its type is SET_TYPE. */
  readonly target: CaptureTarget;
  /** The targets of a set, if the request has selectors. */
  readonly selectors?: readonly TargetSelector[];
  /** Endpoints that are left out besides those of the service. */
  readonly excludedEndpoints?: readonly TcpEndpoint[];
  /** Whether to go on with the next target of that name when this one ends. */
  readonly follow: boolean;
}

/** What the request says about the capture of any target. */
export function knownSpec(request: CaptureRequest): KnownSpec {
  const { interfaces, filter, promiscuous, direction, limits, snapshotLength } = request;
  return {
    ...{ interfaces, filter, promiscuous },
    ...(direction && { direction }),
    ...(limits && { limits }),
    ...(snapshotLength && { snapshotLength }),
  };
}

/** The parts of an HTTP request that matter here. */
export type RequestHead = Pick<IncomingMessage, 'url' | 'headersDistinct'>;

/** What clients write for "every interface of the namespace"; csharg sends `all` when it knows none. */
const ALL_INTERFACES = new Set(['any', 'all', '@any']);

/** True for the clients that show no close reason and so need it in the stream: csharg and cshargextcap. */
export function hasContainerHeader(request: RequestHead): boolean {
  return headerOf(request, 'container') !== undefined || ticketOf(request)?.hadContainerHeader === true;
}

/** The text of a parameter; undefined: it is not given. */
export type ParameterTexts = (name: RequestParameter) => string | undefined;

/**
 * Reads a capture request from query and headers. A header takes precedence over the query parameter of the same
 * meaning, because API proxies drop queries. If a name occurs twice, the first value counts.
 *
 * @throws CaptureError `invalid-request`, `invalid-interface`, `invalid-filter`
 */
export function parseCaptureRequest(request: RequestHead, maxima: CaptureMaxima): CaptureRequest {
  const query = queryOf(request.url ?? '');
  return parseCaptureParameters((name) => {
    const header = headerOf(request, name);
    return header === undefined ? (query.get(name) ?? undefined) : decodeHeader(header);
  }, maxima);
}

/**
 * Reads a capture request from its parameters, wherever they come from.
 *
 * @throws CaptureError `invalid-request`, `invalid-interface`, `invalid-filter`
 */
export function parseCaptureParameters(value: ParameterTexts, maxima: CaptureMaxima): CaptureRequest {
  const json = value('targets');
  const target = parseTarget(value('container'), value('netns'), json);
  const selectors = json === undefined ? undefined : parseTargetSelectors(json);
  const follow = value('follow') !== undefined;
  if (follow && !target.name && !selectors) {
    throw new CaptureError(
      'invalid-request',
      'follow needs a container object with a name, to find the next one by',
    );
  }
  return {
    target: selectors ? { ...target, name: nameOfSet(selectors) } : target,
    ...(selectors && { selectors }),
    follow,
    interfaces: parseInterfaceNames(value('nif')?.split('/') ?? target.interfaces),
    filter: validateFilter(value('filter') ?? ''),
    // Only its presence counts: clients send it empty.
    promiscuous: value('chaste') === undefined,
    ...(value('direction') !== undefined && { direction: true }),
    ...parseLimits(value, maxima),
    ...parseExclusions(value('exclude')),
  };
}

function parseExclusions(text: string | undefined): Pick<CaptureRequest, 'excludedEndpoints'> {
  if (text === undefined) return {};
  const endpoints = text.split(',');
  if (isListOfEndpoints(endpoints)) return { excludedEndpoints: endpointsFrom(endpoints) };
  throw new CaptureError(
    'invalid-request',
    `exclude must be at most ${MAX_EXCLUSIONS} TCP endpoints, such as 192.0.2.1:443, not "${excerpt(text)}"`,
  );
}

function parseTarget(
  container: string | undefined,
  netns: string | undefined,
  targets: string | undefined,
): CaptureTarget {
  const given = Object.entries({ container, netns, targets }).filter(([, text]) => text !== undefined);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(' and ');
    throw new CaptureError('invalid-request', `${names} exclude each other, but are given together`);
  }
  if (targets !== undefined) return { type: SET_TYPE, prefix: '', nodeName: '', interfaces: [] };
  if (container !== undefined) return parseContainer(container);
  if (netns !== undefined) {
    return { netns: parseNetns(netns), prefix: '', type: '', nodeName: '', interfaces: [] };
  }
  throw new CaptureError(
    'invalid-request',
    'container or netns must say what to capture from, or targets; none of them is given',
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

/** Without duplicates; empty: all interfaces of the namespace, including later ones. */
function parseInterfaceNames(names: readonly string[]): string[] {
  const given = new Set(names.filter((name) => name !== ''));
  if (given.size > MAX_INTERFACE_NAMES) {
    throw new CaptureError(
      'invalid-request',
      `nif: ${given.size} names are more than ${MAX_INTERFACE_NAMES}`,
    );
  }
  const wanted = [...given].filter((name) => !ALL_INTERFACES.has(name)).map(validateInterfaceName);
  return wanted.length < given.size ? [] : wanted;
}

/** Not every parameter has a header. */
function headerOf({ headersDistinct }: RequestHead, name: RequestParameter): string | undefined {
  const { header }: ParameterDescription = REQUEST_PARAMETERS[name];
  return header === undefined ? undefined : headersDistinct[header.toLowerCase()]?.[0];
}

function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1));
}

/** Node.js decodes header bytes as latin1, one character per byte; clients mean UTF-8. */
function decodeHeader(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}
