import { validateInterfaceName } from '../../../shared/protocol/capture-spec.js';

/** What clients write for "every interface of the namespace"; csharg sends `all` when it knows none. */
const ALL_INTERFACES = new Set(['any', 'all', '@any']);

/**
 * The interfaces that a client asks for, without duplicates; empty: all of the namespace, including later ones.
 *
 * @throws CaptureError `invalid-interface` when a name is not one that may reach the engine
 */
export function parseInterfaceNames(names: readonly string[]): string[] {
  const given = new Set(names.filter((name) => name !== ''));
  const wanted = [...given].filter((name) => !ALL_INTERFACES.has(name)).map(validateInterfaceName);
  return wanted.length < given.size ? [] : wanted;
}
