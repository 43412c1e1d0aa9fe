import { originForm, pathOf } from '../../http/request-target.js';

/** Where the GhostWire service appears as a whole; everywhere else it fills what we leave of the root. */
export const DISCOVERY_PREFIX = '/discover';

/**
 * What to ask GhostWire for, as the request targets of our clients have it: without our prefix, the rest byte for
 * byte. It always begins with a slash, so that it can only be a path there and never another host. Undefined for what
 * names no path.
 */
export function upstreamTarget(target: string): string | undefined {
  const origin = originForm(target);
  const path = pathOf(target);
  if (origin === undefined || path === undefined) return undefined;
  if (path !== DISCOVERY_PREFIX && !path.startsWith(`${DISCOVERY_PREFIX}/`)) return origin;
  const rest = origin.slice(DISCOVERY_PREFIX.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
