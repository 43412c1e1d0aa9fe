import { Controller, Get, Res } from '@nestjs/common';
import type { Response } from 'express';
import { SERVICE_NAME, SERVICE_VERSION } from '../../shared/service-version.js';
import { NamedTargetSets } from '../discovery/named-target-sets.js';
import { NODE_HEADER, TIME_HEADER } from '../http/node-headers.js';

@Controller('version')
export class VersionController {
  constructor(private readonly sets: NamedTargetSets) {}

  /** Clients use this to check that they talk to this service; the gateway of a cluster, to learn the node's name and clock. */
  @Get()
  version(@Res({ passthrough: true }) response: Response): { name: string; version: string } {
    response.set({ [NODE_HEADER]: this.sets.node, [TIME_HEADER]: String(Date.now()) });
    return { name: SERVICE_NAME, version: SERVICE_VERSION };
  }
}
