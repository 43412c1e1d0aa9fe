import { Module } from '@nestjs/common';
import { PrivilegeBorder } from './privilege-border.js';

/** The privilege border as the application sees it: none of its modules may have any powers. */
@Module({ providers: [PrivilegeBorder] })
export class BorderModule {}
