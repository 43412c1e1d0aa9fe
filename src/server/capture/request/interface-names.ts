import { whyNotAnInterfaceName } from '../../../shared/protocol/protocol.js';
import { CaptureError } from '../capture-errors.js';
import { excerpt } from './excerpt.js';

/** What clients write for "every interface of the namespace"; csharg sends `all` when it knows none. */
const ALL_INTERFACES = new Set(['any', 'all', '@any']);

/**
 * The interfaces that a client wishes for, each once; empty: all of the namespace, later ones included.
 *
 * @throws CaptureError `invalid-interface` when any of the names is not one that may reach the capture engine
 */
export function parseInterfaceNames(names: readonly string[]): string[] {
  const given = new Set(names.filter((name) => name !== ''));
  const wished = [...given].filter((name) => !ALL_INTERFACES.has(name));
  for (const name of wished) {
    const problem = whyNotAnInterfaceName(name);
    if (problem !== undefined) {
      throw new CaptureError('invalid-interface', `nif: "${excerpt(name)}" ${problem}`);
    }
  }
  return wished.length < given.size ? [] : wished;
}
