import { ServiceUnavailableException } from '@nestjs/common';
import type { Response } from 'express';
import { CaptureAccessError } from '../access/capture-access.js';
import { TargetDirectoryError } from './target-directory.js';

/** Whether the target directory or the access check has failed. The message is for the user of the client. */
export function isUnavailable(error: unknown): error is TargetDirectoryError | CaptureAccessError {
  return error instanceof TargetDirectoryError || error instanceof CaptureAccessError;
}

/**
 * Answers with what a directory lists.
 *
 * @param answer its signal is aborted when the client has gone
 * @throws ServiceUnavailableException when the directory has failed or the client has gone; whatever else `answer` throws
 */
export async function answerFromDirectory(
  response: Response,
  answer: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    await answer(gone.signal);
  } catch (cause) {
    if (gone.signal.aborted || isUnavailable(cause)) {
      throw new ServiceUnavailableException(cause instanceof Error ? cause.message : undefined, { cause });
    }
    throw cause;
  }
}
