import { IsBoolean } from 'class-validator';
import type { DiscoveryOptions } from '../../shared/config/parse-command-line.js';
import type { NamedTargetSet } from '../../shared/config/target-set-option.js';
import { OptionValue } from './option-value.js';

/** Where the GhostWire discovery service is, and which of its paths this service offers. */
export class DiscoveryConfig implements DiscoveryOptions {
  @OptionValue()
  readonly ghostwireHost!: string;

  @OptionValue()
  readonly ghostwirePort!: number;

  /** Whether this service is a reverse proxy for GhostWire. */
  @OptionValue()
  readonly proxy!: boolean;

  /** Time until the answer to a proxied request must have begun; how long the answer lasts is not limited. */
  @OptionValue()
  readonly timeoutSeconds!: number;

  /** Whether this service lists capture targets itself, as GhostWire does; excludes `proxy`. */
  @OptionValue()
  readonly local!: boolean;

  /** Maximum number of targets of a set at the same time. */
  @OptionValue()
  readonly maxTargets!: number;

  /** Sets that the directory lists besides those that it makes itself. */
  @OptionValue()
  readonly targetSets!: readonly NamedTargetSet[];

  /** How to call this host; absent: by its name. */
  @OptionValue()
  readonly nodeName?: string;

  /** Whether the user named the service or its port, or set `proxy`. Otherwise the service is never asked. */
  @IsBoolean()
  readonly configured!: boolean;
}
