import { Controller, Get, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { AppModule } from '../../src/server/app.module.js';
import { CaptureModule } from '../../src/server/capture/capture.module.js';
import { refusalPcapng } from '../../src/server/capture/reason-pcapng.js';
import { OptionsModule } from '../../src/server/config/options.module.js';
import type { Options } from '../../src/shared/config/parse-command-line.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';
import { DiscoveryModule } from '../../src/server/discovery/discovery.module.js';
import { TargetDirectory } from '../../src/server/discovery/target-directory.js';
import type { DirectoryEntry } from '../../src/server/discovery/target-directory.js';
import { createApplication } from '../../src/server/server.js';
import { HttpModule } from '../../src/server/http/http.module.js';
import { OperationsModule } from '../../src/server/operations/operations.module.js';
import { readBlocks, sectionCommentsOf } from '../contracts/pcapng-blocks.js';
import { ReplayCaptureProvider } from '../fixtures/replay-capture-provider.js';

describe('An application made as documented in docs/architecture.md', () => {
  it('can replace the provider and capture by replaying a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
    const path = join(folder, 'replay.pcapng');
    const recorded = refusalPcapng('recorded earlier');
    writeFileSync(path, recorded);
    const options = testOptions();
    const app = await boot(
      AppModule.forRoot(options, {
        captureProvider: { useFactory: () => new ReplayCaptureProvider(path) },
      }),
      options,
    );
    try {
      const { stream, code } = await capture(`ws://127.0.0.1:${app.port}/capture?netns=4026531840`);
      expect(code).toBe(1000);
      const [section, ...rest] = readBlocks(stream);
      expect(sectionCommentsOf(section!)[0]).toMatch(/^---\n# capture target information\n/);
      // The content of the file after a section header with the comments of this capture.
      expect(rest).toEqual(readBlocks(recorded).slice(1));
    } finally {
      await app.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('can add a module that uses a port', async () => {
    const options = testOptions();
    const app = await boot(
      {
        module: class TeamModule {},
        imports: [
          OptionsModule.forRoot(options),
          HttpModule,
          OperationsModule.forRoot({ operatorAddress: { kind: 'off' } }),
          DiscoveryModule.forRoot({ targetDirectory: { useValue: new OneEntry() } }),
          CaptureModule.forRoot(),
          InventoryModule,
        ],
      },
      options,
    );
    try {
      const answer = await fetch(`http://127.0.0.1:${app.port}/inventory`);
      expect(await answer.json()).toEqual([ENTRY]);
    } finally {
      await app.close();
    }
  });
});

const ENTRY: DirectoryEntry = {
  name: 'web',
  prefix: '',
  type: 'docker',
  netns: 4026530001,
  pid: 101,
  startTime: 1001,
  interfaces: ['eth0'],
};

class OneEntry extends TargetDirectory {
  override find(): Promise<DirectoryEntry[]> {
    return this.list();
  }
  override list(): Promise<DirectoryEntry[]> {
    return Promise.resolve([ENTRY]);
  }
}

@Controller('inventory')
class InventoryController {
  constructor(private readonly directory: TargetDirectory) {}

  @Get()
  list(): Promise<DirectoryEntry[]> {
    return this.directory.list();
  }
}

@Module({ controllers: [InventoryController] })
class InventoryModule {}

function testOptions(): Options {
  const commandLine = parseCommandLine(['--port', '0', '--host', '127.0.0.1'], {});
  if (commandLine.kind !== 'options') throw new Error(`not options: ${commandLine.kind}`);
  return commandLine.options;
}

async function boot(module: DynamicModule, options: Options) {
  const app = await createApplication(module, options);
  app.useLogger(false);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return { port, close: () => app.close() };
}

async function capture(url: string): Promise<{ stream: Buffer; code: number }> {
  const client = new WebSocket(url);
  const pieces: Buffer[] = [];
  client.on('message', (piece: Buffer) => pieces.push(piece));
  const code = await new Promise<number>((resolve, reject) =>
    client.on('close', resolve).on('error', reject),
  );
  return { stream: Buffer.concat(pieces), code };
}
