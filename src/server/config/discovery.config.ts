import { IsBoolean, IsInt, Matches, Max, Min } from 'class-validator';

const PORT = { message: 'must be a whole number from 1 to 65535' };
const TIMEOUT = { message: 'must be a whole number of seconds from 1 to 86400' };

/** Where the GhostWire discovery service is, and whether we stand in front of it. */
export class DiscoveryConfig {
  @Matches(/^[\w.:%-]+$/, { message: 'must be an address or a host name' })
  readonly service!: string;

  @IsInt(PORT)
  @Min(1, PORT)
  @Max(65535, PORT)
  readonly gwPort!: number;

  @IsBoolean({ message: 'must be true or false' })
  readonly proxy!: boolean;

  /** Until an answer to a proxied request must have begun; it may then last as long as it likes. */
  @IsInt(TIMEOUT)
  @Min(1, TIMEOUT)
  @Max(86_400, TIMEOUT)
  readonly timeoutSeconds!: number;

  /** Whether we list what there is to capture from ourselves, as GhostWire does; not together with `proxy`. */
  @IsBoolean({ message: 'must be true or false' })
  readonly local!: boolean;

  /** True where the user named the service or its port, so that its failure is worth telling. */
  @IsBoolean()
  readonly configured!: boolean;
}
