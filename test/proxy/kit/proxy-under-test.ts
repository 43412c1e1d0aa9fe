import { ServerUnderTest, scriptedCapture } from '../../server/server-under-test.js';
import { Upstream } from './upstream.js';

/** The application with `--proxy-discovery`, in this process, and an upstream in place of GhostWire. */
export class ProxyUnderTest {
  private constructor(
    readonly upstream: Upstream,
    readonly server: ServerUnderTest,
  ) {}

  static async start(...argv: string[]): Promise<ProxyUnderTest> {
    const upstream = await Upstream.start();
    return new ProxyUnderTest(upstream, await serverBefore(upstream.port, ...argv));
  }

  url(target: string): string {
    return `http://127.0.0.1:${this.server.port}${target}`;
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.upstream.close();
  }
}

/** The application with `--proxy-discovery`, with the upstream at this port. */
export function serverBefore(port: number, ...argv: string[]): Promise<ServerUnderTest> {
  return ServerUnderTest.start(
    () =>
      Promise.resolve(scriptedCapture([Buffer.from('captured')], { code: 'target-ended', message: 'over' })),
    ['--proxy-discovery', '--gw-port', String(port), ...argv],
  );
}

/** One proxy for all tests of a file. */
export function proxyForAllTests(...argv: string[]): { readonly current: ProxyUnderTest } {
  let proxy: ProxyUnderTest | undefined;
  beforeAll(async () => {
    proxy = await ProxyUnderTest.start(...argv);
  });
  beforeEach(() => proxy?.upstream.forget());
  afterAll(() => proxy?.close());
  return {
    get current() {
      if (!proxy) throw new Error('the proxy has not been started');
      return proxy;
    },
  };
}
