import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { mobyshark } from '../fixtures/ghostwire-server.js';
import { describeInBrowser, TestPage } from '../kit/browser.js';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { discoveryForAllTests } from '../references/directory.js';
import { Service, serviceForAllTests } from '../kit/service.js';
import { removeFolder, teardown } from '../kit/teardown.js';

describeAsRoot('The page', () => {
  describeInBrowser('in Chromium', () => {
    const service = serviceForAllTests(['--local-discovery']);
    const open = (options: BrowserContextOptions = {}, prepare?: (page: Page) => Promise<unknown>) =>
      TestPage.open(service.current.url('/console/'), options, prepare);

    it('shows a process that starts, finds it, and offers a capture of it', async () => {
      await using tested = await open();
      const { page } = tested;
      await showProcesses(page);
      await using namespace = await namespaceOfProcess();
      await namespace.setUp('lo');
      const name = `sleep(${namespace.pid})`;
      await page.getByLabel('Search targets').fill(name);
      const row = page.getByRole('row').filter({ hasText: name });
      await row.getByText('joined').waitFor();
      await page.getByRole('checkbox', { name, exact: true }).check();

      const href = (await page.getByRole('link', { name: 'Download' }).getAttribute('href')) ?? '';
      const container = JSON.parse(new URL(href).searchParams.get('container') ?? '') as object;
      expect(container).toMatchObject({ name, netns: namespace.inode, pid: namespace.pid, type: 'proc' });
      // The same parameters are those of a capture.
      await using client = await CaptureClient.open(
        service.current,
        {},
        { path: `/capture${new URL(href).search}` },
      );
      await client.described('lo');

      await namespace.end();
      await row.getByText('left').waitFor();
      expect(await page.getByRole('checkbox', { name, exact: true }).isDisabled()).toBe(true);
    });

    it('shows what matches a rule, and how the rule is understood', async () => {
      await using tested = await open();
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await page.getByText('By rule').click();
      await page.getByRole('textbox', { name: 'Rule' }).fill(`type=proc sleep(${namespace.pid})`);
      await page.getByText('1 match now').waitFor();
      await page.getByText(`targets of type proc: name sleep(${namespace.pid})`).waitFor();
      await page.getByRole('checkbox', { name: `sleep(${namespace.pid})`, checked: true }).waitFor();
      await page.getByRole('textbox', { name: 'Rule' }).fill('a=1 a=2');
      await page.getByText('The label a is given twice').waitFor();
    });

    it('says what is wrong with a filter', async () => {
      await using tested = await open();
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await showProcesses(page);
      await choose(page, namespace);
      const filter = page.getByLabel('Capture filter');
      await filter.pressSequentially('tcp prt 80');
      await page.getByText('syntax error').waitFor();
      expect(await filter.getAttribute('aria-invalid')).toBe('true');
      expect(await page.getByRole('button', { name: 'Watch here' }).isDisabled()).toBe(true);
      await filter.fill('tcp port 80');
      await page.getByText('The filter is valid.').waitFor();
      expect(await page.getByRole('button', { name: 'Watch here' }).isEnabled()).toBe(true);
    });

    it('allows a capture whose filter the service cannot check', async () => {
      await using tested = await open({}, (page) =>
        page.route('**/filter?*', (route) => route.fulfill({ status: 501, json: { statusCode: 501 } })),
      );
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await showProcesses(page);
      await choose(page, namespace);
      await page.getByLabel('Capture filter').fill('tcp port 80');
      await page.getByText('The filter cannot be checked by this service.').waitFor();
      expect(await page.getByText('The filter is valid.').count()).toBe(0);
      expect(await page.getByRole('button', { name: 'Watch here' }).isEnabled()).toBe(true);
      tested.expectProblems(/501/);
    });

    it('keeps showing commands when their filter turns out to be invalid', async () => {
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      await using tested = await open({}, (page) =>
        page.route('**/filter?*', async (route) => {
          await released;
          await route.continue();
        }),
      );
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await showProcesses(page);
      await choose(page, namespace);
      await page.getByLabel('Capture filter').fill('tcp prt 80');
      await page.getByRole('button', { name: 'Copy command…' }).click();
      release();
      await page.getByText('syntax error').waitFor();
      await page.getByRole('dialog').getByText('prt').first().waitFor();
      await page.getByRole('button', { name: 'Close' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.getByLabel('Capture filter').fill('tcp');
      await page.getByText('The filter is valid.').waitFor();
      expect(await page.getByRole('dialog').count()).toBe(0);
    });

    it('recovers when a proxy has answered with its login page', async () => {
      let isLoggedIn = false;
      await using tested = await open({}, (page) =>
        page.route(/\/(captures|tickets)$/, (route) =>
          isLoggedIn ? route.continue() : route.fulfill({ contentType: 'text/html', body: '<p>Log in</p>' }),
        ),
      );
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await showProcesses(page);
      const running = page.getByRole('region', { name: 'Running captures' });
      await running.getByText('The answer of the service cannot be read.').waitFor();
      await choose(page, namespace);
      const button = page.getByRole('button', { name: 'Open in Wireshark' });
      await button.click();
      await page.getByRole('region', { name: 'Capture', exact: true }).getByText('cannot be read').waitFor();
      expect(await button.isEnabled()).toBe(true);
      isLoggedIn = true;
      await running.getByText('None at present.').waitFor();
    });

    it('lists running captures, and ends one by keyboard', async () => {
      await using tested = await open();
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await using client = await CaptureClient.open(service.current, {
        netns: namespace.inode,
        filter: 'udp',
      });
      const row = page.getByRole('row').filter({ hasText: `network namespace ${namespace.inode}` });
      await row.getByText('udp').waitFor();
      await row.getByRole('button', { name: /^Stop / }).focus();
      await page.keyboard.press('Enter');
      const confirm = row.getByRole('button', { name: 'Stop it' });
      await confirm.waitFor();
      await page.keyboard.press('Escape');
      await confirm.waitFor({ state: 'detached' });
      await row.getByRole('button', { name: /^Stop / }).focus();
      await page.keyboard.press('Enter');
      await confirm.and(page.locator(':focus')).waitFor();
      await page.keyboard.press('Enter');
      expect(await client.ended()).toMatchObject({ code: 1000 });
      await row.waitFor({ state: 'detached' });
    });

    it('copies commands', async () => {
      await using tested = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await showProcesses(page);
      await choose(page, namespace);
      await page.getByRole('button', { name: 'Copy command…' }).click();
      await page.getByRole('tab', { name: 'curl' }).focus();
      await page.keyboard.press('ArrowRight');
      await page.getByRole('button', { name: 'Copy: Into a file' }).click();
      await page.getByText('Copied').waitFor();
      const command = await page.evaluate<string>('navigator.clipboard.readText()');
      expect(command).toMatch(
        /^npm run --silent capture -- --url=ws:\/\/127\.0\.0\.1:\d+\/capture '--container=/,
      );
      expect(await tested.accessibilityProblems()).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    });

    it('downloads a capture with the limits of the form', async () => {
      await using tested = await open();
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await namespace.setUp('lo');
      await showProcesses(page);
      await choose(page, namespace);
      await page.getByLabel('Capture filter').fill('udp');
      await page.getByLabel('Packets', { exact: true }).fill('3');
      await using sender = await namespace.start(
        'bash',
        '-c',
        'while sleep 0.05; do echo packet >/dev/udp/127.0.0.1/9; done',
      );
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Download' }).click(),
      ]);
      expect(download.suggestedFilename()).toMatch(/\.pcapng$/);
      const packets = await run('tshark', '-r', await download.path(), '-T', 'fields', '-e', 'udp.dstport');
      expect(sender.alive).toBe(true);
      expect(packets.trim().split('\n')).toEqual(['9', '9', '9']);
    });

    it('opens Wireshark with a ticket for the chosen target', async () => {
      await using tested = await open();
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await namespace.setUp('lo');
      await showProcesses(page);
      await choose(page, namespace);
      await page.getByLabel('Capture filter').fill('udp');
      const [request] = await Promise.all([
        page.waitForRequest(/^packetflix:/),
        page.getByRole('button', { name: 'Open in Wireshark' }).click(),
      ]);
      tested.expectProblems(/^request: packetflix:/);
      await page.getByText('Wireshark should open now.').waitFor();
      const link = new URL(request.url().slice('packetflix:'.length));
      expect(link.origin).toBe(new URL(service.current.url('/', 'ws')).origin);
      expect(JSON.parse(link.searchParams.get('container') ?? '')).toMatchObject({ netns: namespace.inode });
      await using client = await CaptureClient.open(
        service.current,
        {},
        { path: link.pathname + link.search },
      );
      await client.described('lo');
      expect(client.interfaces).toMatchObject([{ name: 'lo', filter: 'udp' }]);
    });

    it.each(['light', 'dark'] as const)('can be used by everybody, in %s colours', async (colorScheme) => {
      await using tested = await open({ colorScheme });
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      expect(await tested.accessibilityProblems()).toEqual([]);
      await showProcesses(page);
      await choose(page, namespace);
      await page.getByLabel('Capture filter').fill('tcp prt 80');
      await page.getByText('syntax error').waitFor();
      expect(await tested.accessibilityProblems()).toEqual([]);
      await page.setViewportSize({ width: 700, height: 900 });
      expect(await tested.accessibilityProblems()).toEqual([]);
      const overflow = await page.evaluate<number>(HIDDEN_WIDTH);
      expect(overflow).toBeLessThanOrEqual(0);
    });

    it('is moved through by arrow keys', async () => {
      await using tested = await open();
      const { page } = tested;
      await using namespace = await namespaceOfProcess();
      await showProcesses(page);
      await page.getByRole('checkbox', { name: `sleep(${namespace.pid})` }).waitFor();
      await page.getByLabel('Group by').selectOption('node');
      await page.getByRole('checkbox', { name: /^All of/ }).focus();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Space');
      await page.getByRole('button', { name: 'Clear 1 chosen' }).waitFor();
      await page.keyboard.press('Home');
      await page.keyboard.press('ArrowLeft');
      await page.getByRole('row', { expanded: false }).waitFor();
      expect(await page.getByRole('row', { level: 2 }).count()).toBe(0);
    });

    it('shows hostile names as text', async () => {
      await using names = await hostileNames();
      await using tested = await open();
      const { page } = tested;
      await showProcesses(page);
      await page
        .getByRole('checkbox', { name: '<img src=x onerror=alert(1)>\\u{a}\\u{202e}\\u{1b}[2J' })
        .check();
      await page.getByRole('checkbox', { name: `${names.program}(` }).check();
      await page.getByRole('checkbox', { name: /long\/x{100,}/ }).check();
      await page.getByRole('button', { name: '<i>a<i>' }).waitFor();
      expect(await page.locator('main img, main i, main u').count()).toBe(0);
      const widest = await page.evaluate<number>(HIDDEN_WIDTH);
      expect(widest).toBeLessThanOrEqual(0);
      const boxes = (await page.getByRole('row', { level: 2 }).all()).map((row) => row.boundingBox());
      expect(new Set((await Promise.all(boxes)).map((box) => box?.height)).size).toBe(1);
    });
  });

  describeInBrowser('with thousands of targets', () => {
    const discovery = discoveryForAllTests();

    it('keeps the document small, finds each of them, and captures from sets of them', async () => {
      const pods = Array.from({ length: 2000 }, (_, index) => pod(`shop-${index % 20}/web-${index}`, index));
      discovery.current.ghostwire.answer = mobyshark([...pods, pod(`x/<b>\u202e${'y'.repeat(4000)}`, 2000)]);
      await using tested = await TestPage.open(discovery.current.service.url('/console/'));
      const { page } = tested;
      await page.getByText('Live · 2,001 containers and pods').waitFor();
      expect(await page.locator('[role=row]').count()).toBeLessThan(100);
      await page.getByLabel('Group by').selectOption('namespace');
      await page
        .getByRole('checkbox', { name: /^All of/ })
        .first()
        .focus();
      await page.keyboard.press('End');
      await page.getByRole('checkbox', { name: /^x\/<b>\\u\{202e\}y+…$/ }).waitFor();
      expect(await page.evaluate<string>('document.activeElement.ariaLabel')).toMatch(/^x\/<b>/);

      await page.getByLabel('Search targets').fill('web-1999');
      await page.getByRole('checkbox', { name: 'shop-19/web-1999', exact: true }).check();
      await page.getByLabel('Search targets').fill('web-1998');
      await page.getByRole('checkbox', { name: 'shop-18/web-1998', exact: true }).check();
      expect(await targetsToDownload(page)).toEqual([
        { name: 'shop-19/web-1999', type: 'pod', prefix: '' },
        { name: 'shop-18/web-1998', type: 'pod', prefix: '' },
      ]);

      await page.getByLabel('Search targets').fill('shop-7/');
      await page.getByRole('button', { name: 'shop-7 as rule' }).click();
      await page.getByText('100 match now').waitFor();
      expect(await targetsToDownload(page)).toEqual([{ namespace: 'shop-7' }]);
    });
  });

  describeInBrowser('of a service that goes away', () => {
    it('says so, and goes on when the service is back', async () => {
      // Disposed of after the page, which would report refused connections otherwise.
      await using services = new AsyncDisposableStack();
      const service = services.use(await Service.start(['--local-discovery']));
      await using tested = await TestPage.open(service.url('/console/'));
      const { page } = tested;
      await page.getByText(/^Live/).waitFor();
      await service[Symbol.asyncDispose]();
      await page.getByText('Connection lost').waitFor();
      await page.getByRole('alert').getByText('The connection to the service is lost.').waitFor();
      const again = services.use(await Service.start(['--local-discovery'], { port: service.port }));
      await page.getByText(/^Live/).waitFor();
      await eventually('the alert to disappear', async () => (await page.getByRole('alert').count()) === 0);
      await page.getByText('None at present.').waitFor();
      expect(again.port).toBe(service.port);
      tested.expectProblems(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET/);
    });
  });
});

/** Expressions, because the types of the tests are those of Node.js. */
const HIDDEN_WIDTH = 'document.documentElement.scrollWidth - innerWidth';

function pod(name: string, index: number): object {
  const facts = { netns: 4_100_000_000 + index, pid: 5_000_000 + index, starttime: 1 };
  return { name, type: 'pod', prefix: '', 'network-interfaces': ['lo', 'eth0'], ...facts };
}

async function targetsToDownload(page: Page): Promise<unknown> {
  const href = (await page.getByRole('link', { name: 'Download' }).getAttribute('href')) ?? '';
  return JSON.parse(new URL(href).searchParams.get('targets') ?? '');
}

async function showProcesses(page: Page): Promise<void> {
  await page.getByText(/^Live/).waitFor();
  await page.getByRole('checkbox', { name: /^Processes/ }).check();
}

/** Chooses the process of a namespace. It is searched for, because only rows in view are in the document. */
async function choose(page: Page, { pid }: { readonly pid: number }): Promise<void> {
  await page.getByLabel('Search targets').fill(`sleep(${pid})`);
  await page.getByRole('checkbox', { name: `sleep(${pid})` }).check();
}

/** Namespaces whose names contain HTML and control characters, or are long. */
async function hostileNames(): Promise<AsyncDisposable & { readonly program: string }> {
  const path = mkdtempSync(join(tmpdir(), 'packetflix-hostile-'));
  const long = join(path, 'long', ...Array<string>(15).fill('x'.repeat(240)));
  mkdirSync(long, { recursive: true });
  for (const file of [join(path, '<img src=x onerror=alert(1)>\n\u202e\u001b[2J'), join(long, 'net')]) {
    writeFileSync(file, '');
    await run('unshare', `--net=${file}`, 'true');
  }
  const program = '<u>x<u>';
  copyFileSync('/bin/sleep', join(path, program));
  const child = await Child.start('unshare', ['--net', join(path, program), 'infinity']);
  await eventually('the program to run', () =>
    readFileSync(`/proc/${child.pid}/comm`, 'utf8').startsWith('<'),
  );
  const namespace = await NetworkNamespace.heldBy({
    path: `/proc/${child.pid}/ns/net`,
    release: () => child[Symbol.asyncDispose](),
  });
  await namespace.addWire('<i>a<i>', '<b>b');
  return {
    program,
    [Symbol.asyncDispose]: () =>
      teardown(
        'hostile names',
        () => namespace.end(),
        () => removeFolder(path),
      ),
  };
}
