import { Module } from '@nestjs/common';
import { VersionController } from './version.controller.js';

/**
 * Serves `GET /version`.
 *
 * @publicApi
 */
@Module({ controllers: [VersionController] })
export class VersionModule {}
