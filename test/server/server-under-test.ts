import type { NestExpressApplication } from '@nestjs/platform-express';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';
import type { Authenticator } from '../../src/server/access/authenticator.js';
import { AppModule } from '../../src/server/app.module.js';
import { CaptureProvider } from '../../src/server/capture/capture-provider.js';
import type { CaptureSpec } from '../../src/shared/protocol/capture-spec.js';
import type { Capture, CaptureEnd } from '../../src/server/capture/capture-provider.js';
import type { Options } from '../../src/shared/config/parse-command-line.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';
import { TargetDirectory } from '../../src/server/discovery/target-directory.js';
import { createApplication } from '../../src/server/server.js';

/** The capture provider of a test. */
export type Open = (request: CaptureSpec, signal: AbortSignal) => Promise<Capture>;

class ScriptedProvider extends CaptureProvider {
  constructor(override readonly open: Open) {
    super();
  }
}

class EmptyDirectory extends TargetDirectory {
  override find(): Promise<never[]> {
    return Promise.resolve([]);
  }
  override list(): Promise<never[]> {
    return Promise.resolve([]);
  }
}

/** The application of the server process, run in this process with the capture provider of a test. */
export class ServerUnderTest {
  private constructor(
    readonly app: NestExpressApplication,
    readonly port: number,
  ) {}

  /** @param capturing a provider, or what the one of the test does */
  static async start(
    capturing: CaptureProvider | Open,
    argv: readonly string[] = [],
    authenticator?: Authenticator,
  ): Promise<ServerUnderTest> {
    const provider = capturing instanceof CaptureProvider ? capturing : new ScriptedProvider(capturing);
    const options = optionsFrom(['--port', '0', '--host', '127.0.0.1', ...argv]);
    const module = AppModule.forRoot(options, {
      captureProvider: { useValue: provider },
      targetDirectory: EmptyDirectory,
      ...(authenticator && { authenticator: { useValue: authenticator } }),
    });
    const app = await createApplication(module, options);
    app.useLogger(false);
    await app.listen(options.service.port, options.service.host ?? '');
    return new ServerUnderTest(app, (app.getHttpServer().address() as AddressInfo).port);
  }

  connect(target: string, options: ClientOptions = {}): Client {
    return new Client(new WebSocket(`ws://127.0.0.1:${this.port}${target}`, options));
  }

  async close(): Promise<void> {
    await this.app.close();
  }
}

/** A websocket client that keeps the received messages. */
export class Client {
  readonly chunks: Buffer[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  /** The HTTP status, if the service refused the handshake. */
  readonly refused: Promise<number>;

  constructor(readonly socket: WebSocket) {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.chunks.push(data));
    this.opened = new Promise((resolve) => socket.once('open', () => resolve()));
    this.closed = new Promise((resolve) =>
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    this.refused = new Promise((resolve) =>
      socket.once('unexpected-response', (_, response) => {
        resolve(response.statusCode ?? 0);
        socket.terminate();
      }),
    );
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** A capture that delivers the pieces and then ends with `end`, or, without that, waits until it is stopped. */
export function scriptedCapture(pieces: Iterable<Uint8Array>, end?: CaptureEnd): Capture & { stops: number } {
  const stopped = Promise.withResolvers<void>();
  const over = Promise.withResolvers<CaptureEnd>();
  return {
    stops: 0,
    chunks: (async function* () {
      try {
        yield* pieces;
        if (!end) await stopped.promise;
      } finally {
        over.resolve(end ?? { code: 'stopped', message: 'stopped' });
      }
    })(),
    end: over.promise,
    stop() {
      this.stops++;
      stopped.resolve();
    },
  };
}

function optionsFrom(argv: string[]): Options {
  const parsed = parseCommandLine(argv, {});
  if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
  return parsed.options;
}
