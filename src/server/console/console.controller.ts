import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { resolve } from 'node:path';
import { refuse } from '../http/http-refusal.js';

/** What scripts/setup/build.mjs makes of src/console/. */
const FILES = resolve(import.meta.dirname, '../../console');

/** Of the page: nothing from elsewhere, nothing inline, in no frame. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * Of the worker with Wireshark's dissectors, which read untrusted packets. WebAssembly has to be compiled, and its
 * bindings make functions of text; but a packet that takes the worker over can reach nothing from there: the page loads
 * the files for it.
 */
const DISSECTOR_POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'";

/** The files with a hash in their names never change. */
const IMMUTABLE = 'public, max-age=31536000, immutable';
const REVALIDATED = 'no-cache';

/** The page: static files. */
@Controller('console')
export class ConsoleController {
  @Get()
  page(@Req() request: Request, @Res() response: Response): void {
    // The page's links are relative to it. So is this one, as a proxy may have a path prefix.
    if (request.path.endsWith('/')) this.send('index.html', response);
    else response.redirect(308, 'console/');
  }

  @Get('*path')
  file(@Param('path') path: string | string[], @Res() response: Response): void {
    const segments = [path].flat().join('/').split(/[/\\]/);
    // The policy depends on the path, so it must be the path of the file.
    if (segments.some((segment) => /^\.*$/.test(segment))) return notFound(response);
    this.send(segments.join('/'), response);
  }

  private send(path: string, response: Response): void {
    response.set({
      'Content-Security-Policy': path.startsWith('dissector/') ? DISSECTOR_POLICY : PAGE_POLICY,
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Referrer-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': /-[\w-]{8}\.\w+$/.test(path) ? IMMUTABLE : REVALIDATED,
    });
    response.sendFile(path, { root: FILES, cacheControl: false, dotfiles: 'ignore' }, (error?: Error) => {
      if (!error || response.headersSent) return;
      notFound(response);
    });
  }
}

function notFound(response: Response): void {
  refuse(response, 404, 'not-found', 'there is no such file');
}
