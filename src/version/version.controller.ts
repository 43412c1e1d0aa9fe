import { Controller, Get } from '@nestjs/common';
import { SERVICE_NAME, SERVICE_VERSION } from './service-version.js';

/** `GET /version`: clients check here whom they talk to. */
@Controller('version')
export class VersionController {
  @Get()
  version(): { name: string; version: string } {
    return { name: SERVICE_NAME, version: SERVICE_VERSION };
  }
}
