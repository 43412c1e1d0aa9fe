import { Controller, Get } from '@nestjs/common';
import { Described } from '../http/described.js';
import { SERVICE_NAME, SERVICE_VERSION } from '../../shared/service-version.js';

/** `GET /version`: clients check here whom they talk to. */
@Controller('version')
export class VersionController {
  @Get()
  @Described({
    summary: 'Whom one talks to',
    answers: {
      200: {
        when: 'always',
        contentType: 'application/json; charset=utf-8',
        schema: {
          type: 'object',
          properties: { name: { const: SERVICE_NAME }, version: { type: 'string' } },
          required: ['name', 'version'],
        },
      },
    },
  })
  version(): { name: string; version: string } {
    return { name: SERVICE_NAME, version: SERVICE_VERSION };
  }
}
