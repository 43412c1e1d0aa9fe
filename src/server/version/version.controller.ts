import { Controller, Get } from '@nestjs/common';
import { SERVICE_NAME, SERVICE_VERSION } from '../../shared/service-version.js';

@Controller('version')
export class VersionController {
  /** Clients use this to check that they talk to this service. */
  @Get()
  version(): { name: string; version: string } {
    return { name: SERVICE_NAME, version: SERVICE_VERSION };
  }
}
