import { Module } from '@nestjs/common';
import { LocalDiscoveryController } from './local-discovery.controller.js';

/** Lists capture targets without GhostWire; only with `--local-discovery`. */
@Module({ controllers: [LocalDiscoveryController] })
export class LocalDiscoveryModule {}
