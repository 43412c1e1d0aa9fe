import {
  IsArray,
  IsInstance,
  IsInt,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateNested,
  validateSync,
  type ValidationError,
} from 'class-validator';
import { MAX_TARGET_NAME_LENGTH } from '../../../shared/protocol/limits.js';
import { CaptureError } from '../../../shared/protocol/capture-error.js';
import type { CaptureTarget } from './capture-request.js';

/*
 * Lengths in characters. They guarantee that the section comment fits a pcapng option (65,535 bytes) even if each
 * character of it has to be escaped.
 */
const MAX_LABEL_LENGTH = 1024;

/** Null counts as absent everywhere: Go and JavaScript clients send it for "none". */
function WholeNumber(): PropertyDecorator {
  const message = 'must be a whole number, 0 or more, below 2^53';
  return allOf(
    IsOptional(),
    IsInt({ message }),
    Min(0, { message }),
    Max(Number.MAX_SAFE_INTEGER, { message }),
  );
}

function Text(maxLength: number): PropertyDecorator {
  return allOf(
    IsOptional(),
    IsString({ message: 'must be a string' }),
    MaxLength(maxLength, { message: `must have at most ${maxLength} characters` }),
  );
}

function allOf(...decorators: PropertyDecorator[]): PropertyDecorator {
  return (prototype, property) => {
    for (const decorate of decorators) decorate(prototype, property);
  };
}

class ClusterDto {
  @Text(MAX_LABEL_LENGTH)
  context?: string | null = undefined;

  @Text(MAX_LABEL_LENGTH)
  uid?: string | null = undefined;
}

/**
 * The `container` object as clients send it. Errors are reported in the order of the attributes. Every attribute must
 * be initialised: the own keys of a new instance are the list of attributes that are read.
 */
export class ContainerDto {
  @WholeNumber()
  netns?: number | null = undefined;

  @WholeNumber()
  pid?: number | null = undefined;

  @WholeNumber()
  starttime?: number | null = undefined;

  @Text(MAX_TARGET_NAME_LENGTH)
  name?: string | null = undefined;

  @Text(MAX_TARGET_NAME_LENGTH)
  prefix?: string | null = undefined;

  @IsOptional()
  @IsArray({ message: 'must be an array of strings' })
  @IsString({ each: true, message: 'must be an array of strings' })
  'network-interfaces'?: string[] | null = undefined;

  @Text(MAX_LABEL_LENGTH)
  type?: string | null = undefined;

  @Text(MAX_LABEL_LENGTH)
  'node-name'?: string | null = undefined;

  /** Part of the API, not used by this service. */
  @Text(MAX_LABEL_LENGTH)
  'capture-service'?: string | null = undefined;

  @IsOptional()
  @IsInstance(ClusterDto, { message: 'must be an object' })
  @ValidateNested()
  cluster?: ClusterDto | null = undefined;

  /** Part of the API, not used by this service. */
  @WholeNumber()
  captureport?: number | null = undefined;
}

/**
 * Parses the `container` object of a capture request.
 *
 * @param json text of the client, decoded from UTF-8; it is not trusted
 * @throws CaptureError `invalid-request`, whose message names the attribute and what is wrong with it, and never quotes
 *   the text
 */
export function parseContainer(json: string): CaptureTarget {
  const parsed = parseObject(json);
  const dto = readAttributes(new ContainerDto(), parsed);
  if (isObject(dto.cluster)) dto.cluster = readAttributes(new ClusterDto(), dto.cluster);

  const [error] = validateSync(dto, { stopAtFirstError: true });
  if (error) throw invalid(describe(error));
  if (!dto.netns && !dto.name) throw invalid('netns or name must be given');
  return toTarget(dto);
}

function parseObject(json: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    // A SyntaxError, whose own message quotes the client's text.
    throw invalid('not valid JSON', cause);
  }
  if (!isObject(parsed)) throw invalid('must be a JSON object');
  return parsed;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Copies the attributes of `dto` and no others, so that `__proto__` and the like are never assigned, and without a
 * conversion. Not recursive: JSON may be nested deeper than the stack.
 */
function readAttributes<Dto extends object>(dto: Dto, json: object): Dto {
  for (const attribute of Object.keys(dto)) {
    if (Object.hasOwn(json, attribute)) Reflect.set(dto, attribute, Reflect.get(json, attribute));
  }
  return dto;
}

function describe(error: ValidationError): string {
  const [nested] = error.children ?? [];
  if (nested) return `${error.property}.${describe(nested)}`;
  return `${error.property} ${Object.values(error.constraints ?? {})[0] ?? 'is not valid'}`;
}

function invalid(reason: string, cause?: unknown): CaptureError {
  return new CaptureError('invalid-request', `container: ${reason}`, { cause });
}

/** Go clients send zero values or omit them: both mean "unknown". */
function toTarget(dto: ContainerDto): CaptureTarget {
  const cluster = { context: text(dto.cluster?.context), uid: text(dto.cluster?.uid) };
  const name = text(dto.name);
  return {
    ...(dto.netns && { netns: dto.netns }),
    ...(dto.pid && { pid: dto.pid }),
    ...(dto.starttime && { startTime: dto.starttime }),
    ...(name && { name }),
    prefix: text(dto.prefix),
    type: text(dto.type),
    nodeName: text(dto['node-name']),
    ...((cluster.context || cluster.uid) && { cluster }),
    interfaces: (dto['network-interfaces'] ?? []).map(text),
  };
}

/** JSON can contain half of a surrogate pair, UTF-8 cannot. */
function text(value: string | null | undefined): string {
  return value?.toWellFormed() ?? '';
}
