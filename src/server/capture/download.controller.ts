import { All, Controller, Get, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { refuse, refuseMethod } from '../http/http-refusal.js';
import { CaptureSessions } from './capture-sessions.js';
import { DownloadClient } from './download-client.js';

/** `GET /capture.pcapng`: a capture as an ordinary HTTP download. */
@Controller('capture.pcapng')
export class DownloadController {
  constructor(private readonly sessions: CaptureSessions) {}

  @Get()
  download(@Req() request: Request, @Res() response: Response): void {
    const { socket } = response;
    if (request.method === 'HEAD') {
      refuseMethod(response, 'GET');
    } else if (request.headers['sec-purpose'] !== undefined) {
      // https://wicg.github.io/nav-speculation/prefetch.html: a browser guesses that somebody may want this.
      refuse(response, 503, 'prefetch', 'a capture begins when somebody asks for it, not before');
    } else if (hasBody(request)) {
      // Nobody would read it, and so nobody would notice that the client has gone.
      refuse(response, 400, 'invalid-request', 'a request for a capture must not have a body');
    } else if (!socket) {
      // RFC 9112, section 9.3.2: it would have to wait until the responses before it have ended.
      refuse(response, 400, 'pipelined', 'a capture must be the only request of its connection');
    } else {
      this.sessions.begin(new DownloadClient(response, socket), request);
    }
  }

  @All()
  refuseMethod(@Res() response: Response): void {
    refuseMethod(response, 'GET');
  }
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
