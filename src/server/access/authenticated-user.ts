/**
 * The user in whose name a request was admitted, as the Authenticator knows him.
 *
 * @publicApi
 */
export interface AuthenticatedUser {
  readonly name: string;
  readonly groups?: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

const users = new WeakMap<object, AuthenticatedUser>();

export function rememberAuthenticatedUser(request: object, user: AuthenticatedUser): void {
  users.set(request, user);
}

/**
 * Undefined: the Authenticator has not named the user, or was not asked.
 *
 * @publicApi
 */
export function authenticatedUserOf(request: object): AuthenticatedUser | undefined {
  return users.get(request);
}
