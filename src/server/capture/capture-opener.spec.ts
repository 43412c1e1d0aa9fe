import { DiscoveryConfig } from '../config/discovery.config.js';
import { ServiceConfig } from '../config/service.config.js';
import type { LiveTargets } from '../discovery/live-targets.js';
import { NamedTargetSets } from '../discovery/named-target-sets.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { CaptureErrorCode } from '../../shared/protocol/capture-error.js';
import { CaptureOpener } from './capture-opener.js';
import type { ClientConnection } from '../http/client-connection.js';
import type { Capture } from './capture-provider.js';
import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import { UnrestrictedAccess, type CaptureAccess } from '../access/capture-access.js';
import { PermittedTargets } from '../discovery/permitted-targets.js';
import type { TargetDirectory } from '../discovery/target-directory.js';
import { CapturePermission } from './capture-permission.js';
import { CaptureProvider } from './capture-provider.js';
import type { CaptureRequest, CaptureTarget } from './request/capture-request.js';
import { NetnsResolver } from './resolve/netns-resolver.js';
import type { ResolvedTarget } from './resolve/netns-resolver.js';

const TARGET: CaptureTarget = { netns: 1, prefix: '', type: '', nodeName: '', interfaces: [] };
const REQUEST: CaptureRequest = {
  target: TARGET,
  interfaces: ['eth0'],
  filter: 'tcp',
  promiscuous: false,
  snapshotLength: 96,
  follow: false,
};
const CAPTURE = {} as Capture;
const CLIENT = {} as ClientConnection;

/** Yields the given namespaces, then fails or ends; counts the requested candidates. */
class ListResolver extends NetnsResolver {
  asked = 0;
  constructor(
    private readonly namespaces: number[],
    private readonly failure?: Error,
  ) {
    super();
  }
  // eslint-disable-next-line @typescript-eslint/require-await -- the port is asynchronous
  override async *candidates(target: CaptureTarget): AsyncGenerator<ResolvedTarget> {
    for (const netns of this.namespaces) {
      this.asked++;
      yield { ...target, netns };
    }
    if (this.failure) throw this.failure;
  }
}

class PickyProvider extends CaptureProvider {
  readonly requests: CaptureSpec[] = [];
  constructor(private readonly answers: Record<number, CaptureErrorCode>) {
    super();
  }
  override open(request: CaptureSpec): Promise<Capture> {
    this.requests.push(request);
    const code = this.answers[request.reference.netns];
    return code === undefined ? Promise.resolve(CAPTURE) : Promise.reject(new CaptureError(code, code));
  }
}

function open(
  resolver: NetnsResolver,
  provider: CaptureProvider,
  access: CaptureAccess = new UnrestrictedAccess(),
  directory = {} as TargetDirectory,
) {
  const excluded = [{ address: '::1', port: 5001, peerAddress: '::1', peerPort: 4 }];
  const config = Object.assign(new ServiceConfig(), { excludedEndpoints: ['443', '192.0.2.1:8443'] });
  const sets = new NamedTargetSets(Object.assign(new DiscoveryConfig(), { targetSets: [], maxTargets: 1 }));
  const opener = new CaptureOpener(
    resolver,
    provider,
    config,
    sets,
    {} as LiveTargets,
    new PermittedTargets({} as LiveTargets, access),
    new CapturePermission(directory, access),
  );
  const { signal } = new AbortController();
  const origin = { captureId: 'brave-amber-otter', excludedConnections: excluded, signal, client: CLIENT };
  return opener.open(REQUEST, origin);
}

describe('CaptureOpener', () => {
  it('uses the first candidate that can be opened and requests no more', async () => {
    const resolver = new ListResolver([1, 2]);
    const provider = new PickyProvider({});
    expect(await open(resolver, provider)).toEqual({ capture: CAPTURE, reference: { netns: 1 } });
    expect(resolver.asked).toBe(1);
    expect(provider.requests[0]).toMatchObject({
      captureId: 'brave-amber-otter',
      interfaces: ['eth0'],
      filter: 'tcp',
      promiscuous: false,
      snapshotLength: 96,
      excludedConnections: [{ port: 5001 }],
      excludedEndpoints: [{ port: 443 }, { address: '192.0.2.1', port: 8443 }],
      sectionComments: [
        expect.stringMatching(/^---\n# capture target information\n/),
        expect.stringMatching(
          /^capture: brave-amber-otter$[^]*^excluded-endpoints:\n {4}- "443"\n {4}- 192.0.2.1:8443$/m,
        ),
      ],
    });
  });

  it.each<CaptureErrorCode>(['stale-reference', 'no-such-namespace', 'not-permitted'])(
    'tries the next candidate after %s',
    async (code) => {
      const opened = await open(new ListResolver([1, 2]), new PickyProvider({ 1: code }));
      expect(opened.reference).toEqual({ netns: 2 });
    },
  );

  it.each<CaptureErrorCode>(['no-such-interface', 'invalid-filter', 'too-many-captures', 'internal'])(
    'does not try another candidate after %s',
    async (code) => {
      const resolver = new ListResolver([1, 2]);
      await expect(open(resolver, new PickyProvider({ 1: code }))).rejects.toMatchObject({ code });
      expect(resolver.asked).toBe(1);
    },
  );

  it('fails with the error of the last candidate', async () => {
    const provider = new PickyProvider({ 1: 'stale-reference', 2: 'no-such-namespace' });
    await expect(open(new ListResolver([1, 2]), provider)).rejects.toMatchObject({
      code: 'no-such-namespace',
    });
  });

  it('fails with the error of the resolver', async () => {
    const resolver = new ListResolver([1], new CaptureError('ambiguous-reference', 'two of them'));
    await expect(open(resolver, new PickyProvider({ 1: 'stale-reference' }))).rejects.toMatchObject({
      code: 'ambiguous-reference',
    });
  });

  it('fails when the resolver has no candidates', async () => {
    await expect(open(new ListResolver([]), new PickyProvider({}))).rejects.toMatchObject({
      code: 'no-such-target',
    });
  });
});
