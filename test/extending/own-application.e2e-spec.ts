import { Controller, Get, Inject, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import {
  AccessModule,
  Authenticator,
  CaptureModule,
  createApplication,
  DiscoveryConfig,
  DiscoveryModule,
  isNamed,
  OperationsModule,
  OptionsModule,
  parseCommandLine,
  TargetDirectory,
  HttpModule,
  VersionModule,
} from '../../src/index.js';
import type { Authentication, DirectoryEntry, Options, UpgradeGatewayOptions } from '../../src/index.js';
import { refusalPcapng } from '../../src/server/capture/reason-pcapng.js';
import { readBlocks, sectionCommentsOf } from '../contracts/pcapng-blocks.js';
import { ReplayCaptureProvider } from '../fixtures/replay-capture-provider.js';

// An example of an own application: a directory, a module with gateway and controller, and the application module.

class InventoryTargetDirectory extends TargetDirectory {
  override async find(name: string, prefix: string): Promise<DirectoryEntry[]> {
    return (await this.list()).filter((entry) => isNamed(entry, name, prefix));
  }

  override list(): Promise<DirectoryEntry[]> {
    const place = { prefix: '', type: 'machine', netns: 4026530001, pid: 101, startTime: 1001 };
    return Promise.resolve([{ name: 'press-7', interfaces: ['eth0'], ...place }]);
  }
}

class BadgeAuthenticator extends Authenticator {
  override authenticate(request: IncomingMessage): Authentication {
    const badge = request.headers['x-badge'];
    if (typeof badge === 'string') return { user: { name: badge } };
    return { refusal: { statusCode: 401, code: 'no-badge', message: 'show your badge' } };
  }
}

@Controller('inventory')
class InventoryController {
  constructor(
    private readonly directory: TargetDirectory,
    @Inject(DiscoveryConfig) private readonly config: DiscoveryConfig,
  ) {}

  @Get()
  async list(): Promise<object> {
    return { port: this.config.ghostwirePort, names: (await this.directory.list()).map(({ name }) => name) };
  }
}

@WebSocketGateway<UpgradeGatewayOptions>({ path: '/inventory/live' })
class InventoryGateway {
  constructor(private readonly directory: TargetDirectory) {}

  @SubscribeMessage('find')
  async find(@MessageBody() name: string): Promise<object> {
    return { event: 'found', data: await this.directory.find(name, '') };
  }
}

@Module({ controllers: [InventoryController], providers: [InventoryGateway] })
class InventoryModule {}

class TeamModule {
  static forRoot(options: Options, recording: string): DynamicModule {
    return {
      module: TeamModule,
      imports: [
        OptionsModule.forRoot(options),
        HttpModule,
        OperationsModule.forRoot({ operatorAddress: { kind: 'off' } }),
        VersionModule,
        DiscoveryModule.forRoot({ targetDirectory: InventoryTargetDirectory }),
        CaptureModule.forRoot({
          captureProvider: { useFactory: () => new ReplayCaptureProvider(recording) },
        }),
        InventoryModule,
      ],
    };
  }
}

describe("A team's own application", () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  const recording = join(folder, 'recording.pcapng');
  const recorded = refusalPcapng('recorded earlier');
  let app: Awaited<ReturnType<typeof createApplication>>;
  let address: string;

  beforeAll(async () => {
    writeFileSync(recording, recorded);
    const options = optionsFrom(['--port', '0', '--host', '127.0.0.1', '--gw-port', '4711']);
    app = await createApplication(TeamModule.forRoot(options, recording), options);
    app.useLogger(false);
    await app.listen(options.service.port, options.service.host ?? '');
    address = `127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await app.close();
    rmSync(folder, { recursive: true });
  });

  it("captures a target of the team's directory with the team's provider", async () => {
    const { stream, code } = await capture({ name: 'press-7', 'node-name': 'hall-2' });
    expect(code).toBe(1000);
    const [section, ...rest] = readBlocks(stream);
    const [comment, further] = sectionCommentsOf(section!);
    expect(comment).toContain('container-name: press-7\ncontainer-type: machine\nnode-name: hall-2\n');
    expect(further).toContain('inode: 4026530001');
    expect(rest).toEqual(readBlocks(recorded).slice(1));
  });

  it.each([
    ['a target that its directory does not list', { name: 'press-8' }, '', 4404, /"press-8"/],
    [
      'a filter, which its provider does not support',
      { name: 'press-7' },
      '&filter=tcp',
      4400,
      /cannot be filtered/,
    ],
    ['an invalid request', { name: 7 }, '', 4400, /name must be a string/],
  ])('refuses %s', async (_, container, parameters, code, reason) => {
    expect(await capture(container, parameters)).toMatchObject({
      code,
      reason: expect.stringMatching(reason) as string,
    });
  });

  it('serves its own controller, into which ports and options are injected', async () => {
    const answer = await fetch(`http://${address}/inventory`);
    expect(await answer.json()).toEqual({ port: 4711, names: ['press-7'] });
  });

  it('serves its own websocket gateway', async () => {
    const socket = new WebSocket(`ws://${address}/inventory/live`);
    await once(socket, 'open');
    socket.send(JSON.stringify({ event: 'find', data: 'press-7' }));
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(message.toString())).toMatchObject({ event: 'found', data: [{ netns: 4026530001 }] });
    socket.close();
    await once(socket, 'close');
  });

  it('does not start with --token-file, which has no effect without AccessModule', async () => {
    const options = optionsFrom(['--port', '0', '--host', '127.0.0.1', '--token-file', recording]);
    const unguarded = await createApplication(TeamModule.forRoot(options, recording), options);
    unguarded.useLogger(false);
    await expect(unguarded.listen(0, '127.0.0.1')).rejects.toThrow(/without AccessModule/);
    await unguarded.close();
  });

  it('may have an authenticator of its own', async () => {
    const options = optionsFrom(['--port', '0', '--host', '127.0.0.1']);
    const team = TeamModule.forRoot(options, recording);
    const module = AccessModule.forRoot({ authenticator: BadgeAuthenticator });
    const guarded = await createApplication({ ...team, imports: [...team.imports!, module] }, options);
    guarded.useLogger(false);
    await guarded.listen(0, '127.0.0.1');
    try {
      const url = `http://127.0.0.1:${(guarded.getHttpServer().address() as AddressInfo).port}/inventory`;
      expect((await fetch(url)).status).toBe(401);
      const answer = await fetch(url, { headers: { 'X-Badge': '4711' } });
      expect(await answer.json()).toMatchObject({ names: ['press-7'] });
    } finally {
      await guarded.close();
    }
  });

  it('still serves all other paths', async () => {
    expect(await (await fetch(`http://${address}/version`)).json()).toMatchObject({ name: 'packetflix' });
    expect((await fetch(`http://${address}/capture`)).status).toBe(426);
    expect((await fetch(`http://${address}/elsewhere`)).status).toBe(404);
  });

  async function capture(container: object, parameters = '') {
    const query = `container=${encodeURIComponent(JSON.stringify(container))}${parameters}`;
    const socket = new WebSocket(`ws://${address}/capture?${query}`);
    const pieces: Buffer[] = [];
    socket.on('message', (piece: Buffer) => pieces.push(piece));
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    return { code, reason: reason.toString(), stream: Buffer.concat(pieces) };
  }
});

function optionsFrom(argv: string[]): Options {
  const commandLine = parseCommandLine(argv, {});
  if (commandLine.kind !== 'options') throw new Error(`not options: ${commandLine.kind}`);
  return commandLine.options;
}
