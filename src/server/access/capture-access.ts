import type { AuthenticatedUser } from './authenticated-user.js';

/**
 * What somebody must be allowed to do for a capture: to capture from the pods of a Kubernetes namespace, or from nodes, which means
 * everything that is no pod.
 */
export type CaptureRight = { readonly kind: 'pods'; readonly namespace: string } | { readonly kind: 'nodes' };

/** For people, and as a key. */
export function textOf(right: CaptureRight): string {
  return right.kind === 'nodes' ? 'nodes/capture' : `pods/capture in namespace ${right.namespace}`;
}

/** It cannot be found out now what a user may capture. The message is for the user of the client. */
export class CaptureAccessError extends Error {
  override readonly name = 'CaptureAccessError';
}

/** Port: says who may capture what. */
export abstract class CaptureAccess {
  /** Whether some may do less than others. False: nothing needs to be asked. */
  abstract readonly isRestricted: boolean;

  /**
   * @param user undefined: nobody has said who it is
   * @throws CaptureAccessError
   */
  abstract allows(user: AuthenticatedUser | undefined, right: CaptureRight): Promise<boolean>;
}

/** Everybody may capture everything. */
export class UnrestrictedAccess extends CaptureAccess {
  override readonly isRestricted = false;

  override allows(): Promise<boolean> {
    return Promise.resolve(true);
  }
}
