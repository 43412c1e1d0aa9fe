import { Reflector } from '@nestjs/core';

/** One answer of an HTTP path. */
export interface AnswerDescription {
  /** Completes "when ...". */
  readonly when: string;
  readonly contentType: string;
  /** JSON schema of the body. */
  readonly schema: object;
}

/** What a client may expect of an HTTP path. */
export interface OperationDescription {
  readonly summary: string;
  /** By status. */
  readonly answers: Readonly<Record<number, AnswerDescription>>;
}

/**
 * Describes a method of a controller for docs/api/openapi.json. Of our own, as that of @nestjs/swagger would bring its
 * web pages into production.
 */
export const Described = Reflector.createDecorator<OperationDescription>();
