import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describeInBrowser, TestPage } from '../kit/browser.js';
import { CaptureClient } from '../kit/capture-client.js';
import { ContainerRuntime, whyRuntimesCannotRun } from '../kit/container-runtimes.js';
import { eventually } from '../kit/eventually.js';
import type { NetworkNamespace } from '../kit/namespace.js';
import { reportSkipped } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark, tsharkFields } from '../kit/second-opinion.js';
import { Service } from '../kit/service.js';
import { PASSWORD, USER } from '../proxy/kit/recipes/proxy-recipe.js';
import { describeWithProxies, RECIPES, TlsProxy } from '../proxy/kit/tls-proxy.js';

const STARTUP_TIMEOUT_MS = 60_000;
/** Behind this proxy, and by no other way, the service knows its users. */
const USERS = ['--user-header', 'X-Forwarded-User', '--trusted-proxy', '127.0.0.1'];

const obstacle = await whyRuntimesCannotRun();
if (obstacle !== undefined) reportSkipped('tests of the page with containers', [obstacle]);
const describeWithRuntimes = obstacle === undefined ? describeAsRoot : describe.skip;

describeWithRuntimes('From a container to its packets', () => {
  let docker: ContainerRuntime;
  let service: Service;
  beforeAll(async () => {
    docker = await ContainerRuntime.docker();
    service = await Service.start(USERS);
  }, STARTUP_TIMEOUT_MS);
  afterAll(async () => {
    await docker?.[Symbol.asyncDispose]();
    await service?.[Symbol.asyncDispose]();
  }, STARTUP_TIMEOUT_MS);
  afterEach(() => docker.removeContainers());

  describeInBrowser('by hand, in Chromium', () => {
    it('a container that is started appears, is chosen, watched and downloaded', async () => {
      await using tested = await TestPage.open(service.url('/'));
      await watchAndDownload(tested.page, docker, 'shop-web-1');
    });

    describeWithProxies('behind $proxy with a password and a path prefix', RECIPES, (recipe) => {
      let proxy: TlsProxy;
      beforeAll(async () => {
        proxy = await TlsProxy.before(service.port, recipe);
      }, STARTUP_TIMEOUT_MS);
      afterAll(() => proxy[Symbol.asyncDispose]());

      it('it is the same, and Wireshark needs no password', async () => {
        await using tested = await TestPage.open(proxy.url('/'), {
          ignoreHTTPSErrors: true,
          httpCredentials: { username: USER, password: PASSWORD },
        });
        const { page } = tested;
        const namespace = await watchAndDownload(page, docker, 'shop-db-1');

        const [answer] = await Promise.all([
          page.waitForResponse(/\/packetflix\/tickets$/),
          page.getByRole('button', { name: 'Open in Wireshark' }).click(),
        ]);
        const { path } = (await answer.json()) as { path: string };
        await using wireshark = await CaptureClient.open(
          service,
          // What the plugin would say: only the ticket counts.
          { container: { netns: 1, name: 'another one' } },
          { path, through: proxy.relay },
        );
        await wireshark.described('lo');
        await ping(namespace, 1);
        await wireshark.until('the pings', () => wireshark.packets.length >= 2);
        expect(service.log).toMatch(new RegExp(`"ticket issued".*"target":"shop-db-1".*"user":"${USER}"`));
        expect(service.log).toMatch(new RegExp(`"capture started".*"user":"${USER}","ticket"`));
      });
    });
  });
});

/** Starts a container with that name; sees, watches, narrows and downloads its pings. */
async function watchAndDownload(
  page: Page,
  docker: ContainerRuntime,
  name: string,
): Promise<NetworkNamespace> {
  await page.getByText(/^Live/).waitFor();
  await docker.start(name, '--label', 'com.docker.compose.project=shop');
  const namespace = await docker.wiredNamespaceOf(name);
  await namespace.setUp('lo');
  await page.getByRole('checkbox', { name, exact: true }).check();

  await page.getByRole('button', { name: 'Watch here' }).click();
  await page.getByRole('status').filter({ hasText: 'Capturing' }).waitFor();
  await page.getByRole('button', { name: /Load Wireshark/ }).click();
  await page.getByText('Dissected by Wireshark').waitFor({ timeout: 60_000 });
  await ping(namespace, 3);
  const request = page.getByRole('row').filter({ hasText: 'Echo (ping) request' });
  await request.first().waitFor();
  const cells = await request.first().getByRole('gridcell').allInnerTexts();
  expect(cells.slice(2, 7)).toEqual(['lo', '127.0.0.1', '127.0.0.1', 'ICMP', '98']);
  await request.first().click();
  await page.getByRole('treeitem').filter({ hasText: 'Internet Control Message Protocol' }).waitFor();
  await page.getByRole('searchbox', { name: 'Display filter' }).fill('icmp.type == 0');
  await eventually('the requests to disappear', async () => (await request.count()) === 0);
  expect(await page.getByRole('row').filter({ hasText: 'Echo (ping) reply' }).count()).toBe(3);
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });

  await page.getByRole('textbox', { name: 'Packets' }).fill('4');
  await page.getByLabel('Capture filter').fill('icmp');
  await page.getByText('The filter is valid.').waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download' }).click(),
  ]);
  const running = page
    .getByRole('region', { name: 'Running captures' })
    .getByRole('row')
    .filter({ hasText: name });
  await running.filter({ hasText: 'icmp' }).waitFor();
  await ping(namespace, 2);
  const content = readFileSync(await download.path());
  expect(download.suggestedFilename()).toMatch(new RegExp(`^${name}-\\d{8}T\\d{6}Z\\.pcapng$`));
  expect((await readWithWireshark(content)).packets).toBe(4);
  const types = await tsharkFields(content, 'frame.interface_name', 'icmp.type');
  expect(types).toEqual([
    ['lo', '8'],
    ['lo', '0'],
    ['lo', '8'],
    ['lo', '0'],
  ]);
  return namespace;
}

async function ping(namespace: NetworkNamespace, count: number): Promise<void> {
  await namespace.exec('busybox', 'ping', '-c', String(count), '-i', '0.1', '127.0.0.1');
}
