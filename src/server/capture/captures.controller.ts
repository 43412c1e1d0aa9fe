import { Controller, Delete, Get, Header, HttpCode, NotFoundException, Param } from '@nestjs/common';
import { clientOf } from '../http/client-address.js';
import { CaptureMetrics } from './capture-metrics.js';
import type { CaptureSession } from './capture-session.js';
import { CaptureSessions } from './capture-sessions.js';
import { SET_TYPE } from '../discovery/named-target-sets.js';

/** A capture that runs, as `GET /captures` lists it. */
interface ListedCapture {
  /** As in the log and in the stream: `brave-amber-otter`. */
  readonly name: string;
  /** Name of the target, or what selects the targets of a set; empty: only `netns` was given. */
  readonly target: string;
  /** Whether it is a set. */
  readonly targets: boolean;
  /** Inode number of the network namespace; of a set there are several. */
  readonly netns?: number;
  /** Empty: all. */
  readonly interfaces: readonly string[];
  readonly filter: string;
  readonly client: string;
  readonly transport: 'websocket' | 'download';
  /** ISO 8601. */
  readonly since: string;
  readonly bytes: number;
  /** Delivered and dropped so far; absent: not known. */
  readonly packets?: number;
  readonly dropped?: number;
  /** Whether the client accepts nothing at present. */
  readonly stalled: boolean;
  /** Whether the one who asks may end it. */
  readonly own: boolean;
}

/** `GET /captures`: captures that run; `DELETE /captures/<name>` ends one. */
@Controller('captures')
export class CapturesController {
  constructor(
    private readonly sessions: CaptureSessions,
    private readonly metrics: CaptureMetrics,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  list(): { captures: ListedCapture[] } {
    return { captures: this.sessions.running.flatMap((session) => this.listed(session) ?? []) };
  }

  @Delete(':name')
  @HttpCode(204)
  end(@Param('name') name: string): void {
    const session = this.sessions.running.find(({ id }) => id === name);
    if (!session) {
      const message = 'there is no capture of that name, or it has ended';
      throw new NotFoundException({ statusCode: 404, code: 'no-such-capture', message });
    }
    session.endFor(undefined);
  }

  private listed(session: CaptureSession): ListedCapture | undefined {
    if (!session.running) return undefined;
    const { request, capture, netns } = session.running;
    const { target, interfaces, filter } = request;
    const { packets, dropped } = capture.direct ?? {};
    return {
      name: session.id,
      target: target.name ?? '',
      targets: target.type === SET_TYPE,
      ...(netns !== undefined && { netns }),
      interfaces,
      filter,
      client: clientOf(session.socket),
      transport: session.client.transport,
      since: session.begunAt.toISOString(),
      bytes: session.bytesSent,
      ...(packets !== undefined && { packets }),
      ...(dropped !== undefined && { dropped }),
      stalled: this.metrics.isStalled(session),
      own: true,
    };
  }
}
