import { SET_TYPE } from '../discovery/named-target-sets.js';
import { parseParameters, type TicketParameters } from './ticket-request.js';

/** What clients write for all interfaces. */
const ALL_INTERFACES = ['any'];

/**
 * The target of a ticket in a list like that of `/discover/mobyshark`. It is what the ticket says, not looked up: a client needs it
 * only to find the target of its link again.
 */
export function listedTarget(parameters: TicketParameters): object {
  const { target, interfaces } = parseParameters(parameters);
  const { netns = 0, pid = 0, startTime: starttime = 0, prefix } = target;
  const name = target.name ?? `net:[${netns}]`;
  const type = target.type || (parameters.container === undefined ? 'netns' : '');
  const listed = interfaces.length > 0 && target.type !== SET_TYPE ? interfaces : ALL_INTERFACES;
  return {
    metadata: {},
    containers: [{ name, type, netns, 'network-interfaces': listed, pid, starttime, prefix }],
  };
}
