import { HttpException, HttpStatus } from '@nestjs/common';
import type { Response } from 'express';

/** The body of a refusal. `code` is stable, `message` is for people. */
export interface HttpRefusal {
  readonly statusCode: number;
  readonly code: string;
  readonly message: string;
}

/** For controllers that return what they answer. */
export function httpRefusal(statusCode: number, code: string, message: string): HttpException {
  return new HttpException({ statusCode, code, message } satisfies HttpRefusal, statusCode);
}

/** For controllers that answer by themselves. */
export function refuse(response: Response, statusCode: number, code: string, message: string): void {
  const body: HttpRefusal = { statusCode, code, message };
  response.set('Cache-Control', 'no-store').status(statusCode).json(body);
}

/** RFC 9110, section 15.5.6. */
export function refuseMethod(response: Response, allowed: string): void {
  response.set('Allow', allowed);
  refuse(response, HttpStatus.METHOD_NOT_ALLOWED, 'method-not-allowed', `The method must be ${allowed}.`);
}
