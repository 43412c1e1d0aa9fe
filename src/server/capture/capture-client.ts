import type { ClientConnection } from '../http/client-connection.js';
import type { DirectStream } from './capture-provider.js';
import type { Closing } from './close-codes.js';
import type { CaptureTarget } from './request/capture-request.js';

/** The client of a capture: a websocket, or a download. */
export interface CaptureClient {
  readonly transport: 'websocket' | 'download';
  readonly connection: ClientConnection;
  /** Whether it accepts the stream: neither side has closed it. */
  readonly isOpen: boolean;
  /** Settles when the connection has ended; never rejects. */
  readonly closed: Promise<void>;
  /** A violation of the protocol by the client. */
  readonly error?: string | undefined;
  /** Called when this process closes because the client does what it may not do. */
  onViolation?: (closing: Closing) => void;
  /** Sends something that a client which exists answers; absent: there is nothing that could be sent. */
  ping?(): void;
  /** Gets the connection ready for the stream, since the capture of that target runs. */
  begin(target: CaptureTarget): Promise<void>;
  /** Sends a part of the stream. @returns whether the kernel has accepted it */
  send(chunk: Uint8Array): Promise<boolean>;
  /** Ends the stream and tells the client why. The first call counts. @param direct what the provider has written */
  close(closing: Closing, direct?: DirectStream): void;
  /** Cuts the connection. */
  terminate(): void;
}
