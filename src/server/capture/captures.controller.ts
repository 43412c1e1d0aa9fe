import { Controller, Delete, Get, Header, HttpCode, Param, Req } from '@nestjs/common';
import type { Request } from 'express';
import type { ListedCapture } from '../../shared/api/listed-capture.js';
import { clientOf } from '../http/client-address.js';
import { ClientIdentity } from '../http/client-identity.js';
import { httpRefusal } from '../http/http-refusal.js';
import { CaptureMetrics } from './capture-metrics.js';
import { CaptureSessions } from './capture-sessions.js';
import { PermittedTargets } from '../discovery/permitted-targets.js';
import { SET_TYPE } from '../discovery/named-target-sets.js';

type RunningSession = CaptureSessions['running'][number];

/** `GET /captures`: captures that run; `DELETE /captures/<name>` ends one. */
@Controller('captures')
export class CapturesController {
  constructor(
    private readonly sessions: CaptureSessions,
    private readonly metrics: CaptureMetrics,
    private readonly identity: ClientIdentity,
    private readonly permitted: PermittedTargets,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  list(@Req() request: Request): { captures: ListedCapture[] } {
    return { captures: this.visibleTo(request).map((each) => this.listed(each, request)) };
  }

  @Delete(':name')
  @HttpCode(204)
  end(@Param('name') name: string, @Req() request: Request): void {
    const session = this.visibleTo(request).find((each) => each.session.id === name)?.session;
    if (!session) {
      throw httpRefusal(404, 'no-such-capture', 'there is no capture of that name, or it has ended');
    }
    if (!this.identity.mayActFor(session.user, request)) {
      throw httpRefusal(403, 'not-permitted', 'this capture belongs to another user');
    }
    void session.endFor(this.identity.of(request).user);
  }

  /** Where not everybody may capture everything, captures of others tell what one may not know. */
  private visibleTo(request: Request): RunningSession[] {
    const { running } = this.sessions;
    if (!this.permitted.isRestricted) return running;
    const { user } = this.identity.of(request);
    return running.filter(({ session }) => user !== undefined && session.user === user);
  }

  private listed({ session, running }: RunningSession, asked: Request): ListedCapture {
    const { request, capture, netns } = running;
    const { target, interfaces, filter } = request;
    const { packets, dropped } = capture.direct ?? {};
    return {
      name: session.id,
      target: target.name ?? '',
      isSet: target.type === SET_TYPE,
      ...(netns !== undefined && { netns }),
      interfaces,
      filter,
      client: clientOf(session.socket),
      ...(session.user !== undefined && { user: session.user }),
      transport: session.client.transport,
      since: session.begunAt.toISOString(),
      bytes: session.bytesSent,
      ...(packets !== undefined && { packets }),
      ...(dropped !== undefined && { dropped }),
      stalled: this.metrics.isStalled(session),
      mayEnd: this.identity.mayActFor(session.user, asked),
    };
  }
}
