import { Controller, Get, Header, Redirect } from '@nestjs/common';

/** Leads from `/` to the page, unless `/` is GhostWire's. */
@Controller()
export class RootController {
  /** The path is relative, as a proxy may have a path prefix. */
  @Get()
  @Redirect('console/', 302)
  @Header('Cache-Control', 'no-cache')
  toConsole(): void {
    return undefined;
  }
}
