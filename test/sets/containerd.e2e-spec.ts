import { CaptureClient } from '../kit/capture-client.js';
import { Containerd, whyContainerdCannotRun } from '../kit/containerd.js';
import { reportSkipped } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { commentsOf } from './set-members.js';

const STARTUP_TIMEOUT_MS = 60_000;
/** The contract: within 2 s. The rest is for a busy machine. */
const CHANGE_MS = 10_000;

const obstacle = whyContainerdCannotRun();
if (obstacle !== undefined) reportSkipped('tests of sets with containerd', [obstacle]);
const describeWithContainerd = obstacle === undefined ? describeAsRoot : describe.skip;

describeWithContainerd('A set of containers and pods of containerd', () => {
  const service = serviceForAllTests();
  let containerd: Containerd;
  beforeAll(async () => {
    containerd = await Containerd.start();
  }, STARTUP_TIMEOUT_MS);
  afterAll(() => containerd?.[Symbol.asyncDispose](), STARTUP_TIMEOUT_MS);

  it('is joined by those that start and start again, and left by those that end', async () => {
    await containerd.run('set-a');
    const targets = JSON.stringify([{ type: 'containerd', name: 'set-*' }]);
    await using client = await CaptureClient.open(service.current, { targets });
    await client.described('set-a:lo');
    await containerd.run('set-b');
    await client.until('the second one', () => client.interfaceNames.includes('set-b:lo'), CHANGE_MS);
    await containerd.remove('set-a');
    const says = (pattern: RegExp) => () => commentsOf(client).some((text) => pattern.test(text));
    await client.until('the end', says(/containerd set-a.*: left, it has ended/), CHANGE_MS);
    await containerd.run('set-a');
    const lives = (): number => client.interfaceNames.filter((name) => name === 'set-a:lo').length;
    await client.until('the second life', () => lives() === 2, CHANGE_MS);
  });

  it('has the pods of a namespace', async () => {
    const names = ['sandbox-name=web-0', 'sandbox-namespace=shop', 'container-type=sandbox'];
    await containerd.run('sandbox', ...names.map((each) => `io.kubernetes.cri.${each}`));
    await containerd.run('other');
    const targets = JSON.stringify([{ namespace: 'shop' }]);
    await using client = await CaptureClient.open(service.current, { targets });
    await client.described('shop/web-0:lo');
    expect(client.interfaceNames).toEqual(['shop/web-0:lo']);
  });
});
