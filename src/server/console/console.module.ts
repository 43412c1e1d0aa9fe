import { Module, type DynamicModule } from '@nestjs/common';
import { ConsoleController } from './console.controller.js';
import { RootController } from './root.controller.js';

/** The page at `/console/`, which uses the API of this service and nothing else. */
@Module({})
export class ConsoleModule {
  /** @param options `root`: whether `/` leads to the page */
  static forRoot({ root }: { readonly root: boolean }): DynamicModule {
    return { module: ConsoleModule, controllers: [ConsoleController, ...(root ? [RootController] : [])] };
  }
}
