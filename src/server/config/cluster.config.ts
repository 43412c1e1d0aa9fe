import type { OptionValues } from '../../shared/config/option-table.js';
import { OptionValue } from './option-value.js';

/** The nodes of the cluster that this service is the gateway of, and how their streams are merged. */
export class ClusterConfig implements OptionValues<'cluster'> {
  /** See `parseNodeSource`; empty: this service is no gateway. */
  @OptionValue()
  readonly nodes!: readonly string[];

  /** Certificates of the authorities that sign those of the nodes, PEM; absent: those that Node.js has. */
  @OptionValue()
  readonly nodeCaFile?: string;

  /** How long a packet waits for earlier ones of other nodes, in ms. */
  @OptionValue()
  readonly mergeWindowMs!: number;
}
