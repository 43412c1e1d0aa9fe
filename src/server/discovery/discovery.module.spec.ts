import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { describe, expect, it } from '@jest/globals';
import { parseCommandLine } from '../../shared/config/parse-command-line.js';
import { DiscoveryConfig } from '../config/discovery.config.js';
import { OptionsModule } from '../config/options.module.js';
import { OperationsModule } from '../operations/operations.module.js';
import { DiscoveryModule } from './discovery.module.js';
import { DiscovererTargetDirectory } from './discoverer-target-directory.js';
import { FallbackTargetDirectory } from './fallback-target-directory.js';
import { GhostwireTargetDirectory } from './ghostwire-target-directory.js';
import { TargetDirectory, type DirectoryEntry } from './target-directory.js';

const DISCOVERER = { PACKETFLIX_DISCOVERER_SOCKET: '/nonexistent/discoverer.sock' };

class EmptyTargetDirectory extends TargetDirectory {
  constructor(readonly port?: number) {
    super();
  }
  override find(): Promise<DirectoryEntry[]> {
    return Promise.resolve([]);
  }
  override list(): Promise<DirectoryEntry[]> {
    return Promise.resolve([]);
  }
}

async function directoryOf(
  discovery: DynamicModule,
  env: NodeJS.ProcessEnv = {},
  argv: readonly string[] = ['--gw-port', '4711'],
): Promise<TargetDirectory> {
  const commandLine = parseCommandLine(argv, env);
  if (commandLine.kind !== 'options') throw new Error(`not options: ${commandLine.kind}`);
  const operations = OperationsModule.forRoot({ operatorAddress: { kind: 'off' } });
  const imports = [OptionsModule.forRoot(commandLine.options), operations, discovery];
  const app = await NestFactory.createApplicationContext(
    { module: class TestModule {}, imports },
    { logger: false, abortOnError: false },
  );
  try {
    return app.get(TargetDirectory, { strict: false });
  } finally {
    await app.close();
  }
}

describe('DiscoveryModule', () => {
  it('queries GhostWire without a discoverer', async () => {
    expect(await directoryOf(DiscoveryModule.forRoot())).toBeInstanceOf(GhostwireTargetDirectory);
  });

  it('falls back to the discoverer', async () => {
    expect(await directoryOf(DiscoveryModule.forRoot(), DISCOVERER)).toBeInstanceOf(FallbackTargetDirectory);
  });

  it.each([[['--local-discovery']], [[]]])(
    'does not query what listens at the default address of GhostWire with %j',
    async (argv) => {
      const directory = await directoryOf(DiscoveryModule.forRoot(), DISCOVERER, argv);
      expect(directory).toBeInstanceOf(DiscovererTargetDirectory);
    },
  );

  it('queries nobody without a discoverer and without GhostWire', async () => {
    const directory = await directoryOf(DiscoveryModule.forRoot(), {}, []);
    await expect(directory.find('web', '')).rejects.toThrow('there is no directory of targets');
  });

  it('provides a directory of a team instead', async () => {
    const targetDirectory = { useValue: new EmptyTargetDirectory() };
    expect(await directoryOf(DiscoveryModule.forRoot({ targetDirectory }))).toBe(targetDirectory.useValue);
  });

  it('provides a directory that an asynchronous factory makes', async () => {
    const discovery = DiscoveryModule.forRootAsync({
      useFactory: ({ ghostwirePort }: DiscoveryConfig) =>
        Promise.resolve(new EmptyTargetDirectory(ghostwirePort)),
      inject: [DiscoveryConfig],
    });
    expect(await directoryOf(discovery)).toMatchObject({ port: 4711 });
  });
});
