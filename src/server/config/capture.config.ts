import { IsIn, IsInt, IsOptional, Max, Min, ValidateBy, type ValidationArguments } from 'class-validator';
import { LEAST_CAPTURE_MEBIBYTES, PACKET_METHODS, type PacketMethod } from '../../shared/protocol/protocol.js';
import { MAX_DURATION_SECONDS, MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/capture-spec.js';

/** More packets or bytes than this nobody waits for; and it is told exactly by a double. */
export const MOST_PACKETS_OR_BYTES = 10 ** 15 - 1;

/** As many as an engine could have rings for, were there nothing else on the machine. */
const MOST_CAPTURES = 4096;

/** 1 TiB. */
const MOST_RING_MEBIBYTES = 1024 * 1024;

const RING_MEMORY = { message: `must be a whole number of MiB from 1 to ${MOST_RING_MEBIBYTES}` };
/** A websocket message for each of fewer bytes would cost more than it carries; a unix socket does not hold more. */
const LEAST_IN_FLIGHT_KIBIBYTES = 16;
const MOST_IN_FLIGHT_KIBIBYTES = 256;

const IN_FLIGHT = {
  message: `must be a whole number of KiB from ${LEAST_IN_FLIGHT_KIBIBYTES} to ${MOST_IN_FLIGHT_KIBIBYTES}`,
};
const CAPTURES = { message: `must be a whole number from 1 to ${MOST_CAPTURES}` };
const DURATION = { message: `must be a whole number of seconds from 1 to ${MAX_DURATION_SECONDS}` };
const BYTES = { message: `must be a whole number of bytes from 1 to ${MOST_PACKETS_OR_BYTES}` };
const PACKETS = { message: `must be a whole number of packets from 1 to ${MOST_PACKETS_OR_BYTES}` };
const SNAPSHOT_LENGTH = { message: `must be a whole number of bytes from 1 to ${MAX_SNAPSHOT_LENGTH}` };

/** How much clients may capture, each of them and all together, and how that is done. */
export class CaptureConfig {
  /** Captures at once, over all clients and engines. */
  @IsInt(CAPTURES)
  @Min(1, CAPTURES)
  @Max(MOST_CAPTURES, CAPTURES)
  readonly maxCaptures!: number;

  /** Captures at once of one client address; absent: as many as there may be in all. */
  @IsOptional()
  @IsInt(CAPTURES)
  @Min(1, CAPTURES)
  @Max(MOST_CAPTURES, CAPTURES)
  readonly maxCapturesPerClient?: number;

  /** For the rings of all captures of all engines. */
  @ValidateBy({ name: 'isEnough', validator: { validate: isEnough, defaultMessage: notEnough } })
  @IsInt(RING_MEMORY)
  @Min(1, RING_MEMORY)
  @Max(MOST_RING_MEBIBYTES, RING_MEMORY)
  readonly ringMemoryMebibytes!: number;

  /** Of each capture, on their way through the server; what a client does not take stays in the engine and the ring. */
  @IsInt(IN_FLIGHT)
  @Min(LEAST_IN_FLIGHT_KIBIBYTES, IN_FLIGHT)
  @Max(MOST_IN_FLIGHT_KIBIBYTES, IN_FLIGHT)
  readonly maxInFlightKibibytes!: number;

  /** How long a capture lasts at most; absent: as long as its client likes. */
  @IsOptional()
  @IsInt(DURATION)
  @Min(1, DURATION)
  @Max(MAX_DURATION_SECONDS, DURATION)
  readonly maxDurationSeconds?: number;

  /** Bytes of the stream up to its last packet; absent: any number. */
  @IsOptional()
  @IsInt(BYTES)
  @Min(1, BYTES)
  @Max(MOST_PACKETS_OR_BYTES, BYTES)
  readonly maxBytes?: number;

  /** Absent: any number. */
  @IsOptional()
  @IsInt(PACKETS)
  @Min(1, PACKETS)
  @Max(MOST_PACKETS_OR_BYTES, PACKETS)
  readonly maxPackets?: number;

  /** Bytes kept of each packet; absent: all. */
  @IsOptional()
  @IsInt(SNAPSHOT_LENGTH)
  @Min(1, SNAPSHOT_LENGTH)
  @Max(MAX_SNAPSHOT_LENGTH, SNAPSHOT_LENGTH)
  readonly maxSnapshotLength?: number;

  /** How the engines take packets out of the kernel. */
  @IsIn(PACKET_METHODS, { message: `must be ${PACKET_METHODS.join(' or ')}` })
  readonly packetMethod!: PacketMethod;
}

/** Or fewer captures could run than there may be; of wrong numbers others tell. */
function isEnough(mebibytes: unknown, validation?: ValidationArguments): boolean {
  return !(Number(mebibytes) < neededMebibytes(validation));
}

function notEnough(validation?: ValidationArguments): string {
  const needed = neededMebibytes(validation);
  return `must be at least ${needed} MiB, ${LEAST_CAPTURE_MEBIBYTES} for each capture that there may be (--max-captures)`;
}

function neededMebibytes(validation?: ValidationArguments): number {
  const { maxCaptures } = validation?.object as CaptureConfig;
  return LEAST_CAPTURE_MEBIBYTES * maxCaptures;
}
