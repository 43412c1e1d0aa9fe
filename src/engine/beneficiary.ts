import { clientNetwork } from '../shared/client-network.js';
import type { StreamSpec } from '../shared/protocol/capture-spec.js';

/** On whose behalf something is done that takes time. */
export interface Beneficiary {
  /** The network of the client, for fairness between clients. */
  readonly client: string;
  /** Aborted when it is not needed any more. */
  readonly signal: AbortSignal;
}

/** The client is the peer of the connection that carries the capture. */
export function beneficiaryOf(
  { excludedConnections: [own] }: Pick<StreamSpec, 'excludedConnections'>,
  signal: AbortSignal,
): Beneficiary {
  return { client: own ? clientNetwork(own.peerAddress) : '', signal };
}
