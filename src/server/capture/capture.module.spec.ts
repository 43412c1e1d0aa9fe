import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { parseCommandLine } from '../../shared/config/parse-command-line.js';
import { OptionsModule } from '../config/options.module.js';
import { DiscoveryModule } from '../discovery/discovery.module.js';
import { EngineCaptureProvider } from '../engine-client/engine-capture-provider.js';
import { HttpModule } from '../http/http.module.js';
import { OperationsModule } from '../operations/operations.module.js';
import { CaptureProvider } from './capture-provider.js';
import { CaptureModule } from './capture.module.js';
import { NetnsResolver } from './resolve/netns-resolver.js';
import { DirectoryNetnsResolver } from './resolve/directory-netns-resolver.js';

class OwnProvider extends CaptureProvider {
  override open = () => Promise.reject(new Error('not used'));
}

/** Injects the ports without importing the module that provides them. */
@Injectable()
class TeamService {
  constructor(
    readonly provider: CaptureProvider,
    readonly resolver: NetnsResolver,
  ) {}
}

@Module({ providers: [TeamService] })
class TeamModule {}

describe('CaptureModule', () => {
  it.each([
    ['forRoot', CaptureModule.forRoot({ captureProvider: OwnProvider }), OwnProvider],
    [
      'forRootAsync',
      CaptureModule.forRootAsync({
        useFactory: () => Promise.resolve({ captureProvider: new OwnProvider() }),
      }),
      OwnProvider,
    ],
    [
      'forRootAsync without ports',
      CaptureModule.forRootAsync({ useFactory: () => ({}) }),
      EngineCaptureProvider,
    ],
  ])('provides its ports to all modules: %s', async (_, captures, provider) => {
    const commandLine = parseCommandLine([], {});
    if (commandLine.kind !== 'options') throw new Error(commandLine.kind);
    const imports = [
      OptionsModule.forRoot(commandLine.options),
      HttpModule,
      OperationsModule.forRoot({ operatorAddress: { kind: 'off' } }),
      DiscoveryModule.forRoot(),
      captures,
      TeamModule,
    ];
    const app = await NestFactory.createApplicationContext(
      { module: class Root {}, imports },
      { logger: false },
    );
    try {
      const team = app.get(TeamService, { strict: false });
      expect(team.provider).toBeInstanceOf(provider);
      expect(team.resolver).toBeInstanceOf(DirectoryNetnsResolver);
    } finally {
      await app.close();
    }
  });
});
