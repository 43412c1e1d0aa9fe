import type { OptionValues } from '../../shared/config/option-table.js';
import type { PacketMethod } from '../../shared/protocol/protocol.js';
import { OptionValue } from './option-value.js';

/** The limits of captures, of each one and of all together, and how packets are captured. */
export class CaptureConfig implements OptionValues<'capture'> {
  /** Maximum number of concurrent captures, over all clients and engines. */
  @OptionValue()
  readonly maxCaptures!: number;

  /** Maximum number of concurrent captures of one client address; absent: only `maxCaptures` applies. */
  @OptionValue()
  readonly maxCapturesPerClient?: number;

  /** For the rings of all captures of all engines. */
  @OptionValue()
  readonly ringMemoryMebibytes!: number;

  /** Buffered by the server, per capture; what a client does not read beyond that stays in the engine and the ring. */
  @OptionValue()
  readonly maxInFlightKibibytes!: number;

  /** Absent: no limit. */
  @OptionValue()
  readonly maxDurationSeconds?: number;

  /** Bytes of the stream up to and including its last packet; absent: no limit. */
  @OptionValue()
  readonly maxBytes?: number;

  /** Absent: no limit. */
  @OptionValue()
  readonly maxPackets?: number;

  /** Bytes captured of each packet; absent: whole packets. */
  @OptionValue()
  readonly maxSnapshotLength?: number;

  @OptionValue()
  readonly packetMethod!: PacketMethod;
}
