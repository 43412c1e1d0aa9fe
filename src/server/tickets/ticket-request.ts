import { CaptureError, excerpt } from '../../shared/protocol/capture-error.js';
import { parseCaptureParameters, type CaptureRequest } from '../capture/request/capture-request.js';
import { LIMIT_PARAMETERS } from '../capture/request/capture-limits.js';
import type { RequestParameter } from '../capture/request/request-parameters.js';
import { isRecord } from '../../shared/is-record.js';

export const DEFAULT_LIFETIME_SECONDS = 600;
export const MAX_LIFETIME_SECONDS = 3_600;

/** Parameters of a capture, as they stand in a query. */
export type TicketParameters = Readonly<Partial<Record<RequestParameter, string>>>;

/** What a client asks a ticket for, validated as the capture itself would be. */
export interface TicketRequest {
  readonly parameters: TicketParameters;
  readonly lifetimeSeconds: number;
  readonly capture: CaptureRequest;
}

type JsonType = 'text' | 'number' | 'switch' | 'object' | 'array';

/** The types that the parameters of a capture have in JSON. */
const JSON_TYPES: Readonly<Record<RequestParameter, JsonType>> = {
  netns: 'number',
  container: 'object',
  targets: 'array',
  follow: 'switch',
  nif: 'text',
  filter: 'text',
  chaste: 'switch',
  direction: 'switch',
  exclude: 'text',
  ...(Object.fromEntries(Object.keys(LIMIT_PARAMETERS).map((name) => [name, 'number'])) as Record<
    keyof typeof LIMIT_PARAMETERS,
    'number'
  >),
};

const DESCRIPTIONS: Readonly<Record<JsonType, string>> = {
  text: 'a string',
  number: 'a number',
  switch: 'true or false',
  object: 'an object',
  array: 'an array of selectors',
};

/**
 * Reads the body of a request for a ticket. Null counts as absent, as in a container object.
 *
 * @throws CaptureError as `parseCaptureParameters`, and `invalid-request` for what the query of a capture cannot have
 */
export function parseTicketRequest(json: string): TicketRequest {
  const { lifetime, ...given } = parseObject(json);
  const parameters: Partial<Record<RequestParameter, string>> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!isParameter(name)) throw invalid(`there is no attribute "${excerpt(name)}"`);
    const text = value === null ? undefined : textOf(name, value);
    if (text !== undefined) parameters[name] = text;
  }
  return {
    parameters,
    lifetimeSeconds: parseLifetime(lifetime),
    // The limits of the service apply when the capture begins.
    capture: parseParameters(parameters),
  };
}

/** @throws CaptureError as `parseCaptureParameters` */
export function parseParameters(parameters: TicketParameters): CaptureRequest {
  return parseCaptureParameters((name) => parameters[name], {});
}

function parseObject(json: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    // A SyntaxError, whose own message quotes the client's text.
    throw invalid('the body is not valid JSON', cause);
  }
  if (!isRecord(parsed)) throw invalid('the body must be a JSON object');
  return parsed;
}

function isParameter(name: string): name is RequestParameter {
  return Object.hasOwn(JSON_TYPES, name);
}

/** Undefined: a switch that is off. */
function textOf(name: RequestParameter, value: unknown): string | undefined {
  const type = JSON_TYPES[name];
  if (type === 'text' && typeof value === 'string') return value.toWellFormed();
  if (type === 'number' && typeof value === 'number') return String(value);
  if (type === 'switch' && typeof value === 'boolean') return value ? '' : undefined;
  if ((type === 'object' && isRecord(value)) || (type === 'array' && Array.isArray(value))) {
    return jsonOf(name, value);
  }
  throw invalid(`${name} must be ${DESCRIPTIONS[type]}`);
}

function jsonOf(name: string, value: object): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw invalid(`${name} is nested too deeply`, cause); // RangeError: the stack is full
  }
}

function parseLifetime(value: unknown): number {
  if (value === undefined || value === null) return DEFAULT_LIFETIME_SECONDS;
  const isValid = typeof value === 'number' && Number.isInteger(value);
  if (isValid && 1 <= value && value <= MAX_LIFETIME_SECONDS) return value;
  throw invalid(`lifetime must be a whole number of seconds from 1 to ${MAX_LIFETIME_SECONDS}`);
}

function invalid(message: string, cause?: unknown): CaptureError {
  return new CaptureError('invalid-request', message, { cause });
}
