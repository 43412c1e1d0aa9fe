import { Module } from '@nestjs/common';
import { Readiness } from './readiness.js';

/** For those who have something to say about readiness. Who gets to see it is up to the OperatorModule. */
@Module({ providers: [Readiness], exports: [Readiness] })
export class HealthModule {}
