import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describeInBrowser, TestPage } from '../kit/browser.js';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import type { NetworkNamespace } from '../kit/namespace.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { Service } from '../kit/service.js';
import { removeFolder } from '../kit/teardown.js';

const TOKEN = 'the-token-of-the-service-0123456789';

describeAsRoot('The page of a service that wants a token', () => {
  describeInBrowser('in Chromium', () => {
    let folder: string;
    let service: Service;
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'packetflix-token-'));
      chmodSync(folder, 0o755); // the service drops root
      writeFileSync(tokenFile(), TOKEN);
      service = await Service.start(['--local-discovery', '--token-file', tokenFile()]);
    });
    afterEach(async () => {
      await service[Symbol.asyncDispose]();
      await removeFolder(folder);
    });

    const tokenFile = (): string => join(folder, 'token');
    const open = async (): Promise<TestPage> => {
      const tested = await TestPage.open(service.url('/console/'));
      await tested.page.getByRole('dialog').getByText('This service asks for a token.').waitFor();
      tested.expectProblems(REFUSED);
      return tested;
    };

    it('asks for the token, says when it is wrong, and forgets it', async () => {
      await using tested = await open();
      const { page } = tested;
      expect(await tested.accessibilityProblems()).toEqual([]);
      await enter(page, 'a-wrong-token-0123456789');
      await page.getByText('The service does not accept this token.').waitFor();
      tested.expectProblems(REFUSED);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.getByText('No access').waitFor();
      await page.getByRole('button', { name: 'Enter token…' }).click();
      await enter(page, TOKEN);
      await page.getByText(/^Live/).waitFor();
      await page.getByText('None at present.').waitFor();

      await page.reload();
      await page.getByText(/^Live/).waitFor();
      expect(page.url()).not.toContain(TOKEN);
      await page.getByRole('button', { name: 'Forget token' }).click();
      await page.getByRole('dialog').getByText('This service asks for a token.').waitFor();
      expect(await page.evaluate<number>('sessionStorage.length')).toBe(0);
      tested.expectProblems(REFUSED);
    });

    it('sends nothing while it has no access', async () => {
      await using tested = await open();
      const requests: string[] = [];
      tested.page.on('request', (request) => requests.push(request.url()));
      await tested.page.waitForTimeout(5_000);
      expect(requests).toEqual([]);
    });

    it('asks again when the token is replaced', async () => {
      await using tested = await open();
      const { page } = tested;
      await enter(page, TOKEN);
      await page.getByText(/^Live/).waitFor();
      const next = 'the-next-token-of-the-service-0123456789';
      writeFileSync(tokenFile(), next);
      await page.getByText('The service does not accept the token any more.').first().waitFor();
      tested.expectProblems(REFUSED);
      await enter(page, next);
      await page.getByText(/^Live/).waitFor();
    });

    it('watches, downloads and opens Wireshark by tickets', async () => {
      await using namespace = await namespaceOfProcess();
      await namespace.setUp('lo');
      await using tested = await open();
      const { page } = tested;
      const urls: string[] = [];
      page.on('request', (request) => urls.push(request.url()));
      page.on('websocket', (socket) => urls.push(socket.url()));
      await enter(page, TOKEN);
      await choose(page, namespace);

      await page.getByRole('button', { name: 'Watch here' }).click();
      await page.getByRole('status').filter({ hasText: 'Capturing' }).waitFor();
      const rows = page.getByRole('dialog').getByRole('row');
      await eventually('packets', async () => {
        await namespace.exec('busybox', 'ping', '-c', '1', '127.0.0.1');
        return (await rows.filter({ hasText: 'ICMP' }).count()) > 0;
      });
      await page.getByRole('button', { name: 'Close' }).click();

      await page.getByRole('textbox', { name: 'Packets' }).fill('2');
      await page.getByLabel('Capture filter').fill('icmp');
      await page.getByText('The filter is valid.').waitFor();
      await using sender = await namespace.start('busybox', 'ping', '-i', '0.2', '127.0.0.1');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Download' }).click(),
      ]);
      expect(download.suggestedFilename()).toMatch(/^sleep.*\.pcapng$/);
      expect((await run('tshark', '-r', await download.path())).trim().split('\n')).toHaveLength(2);
      expect(sender.alive).toBe(true);

      const [request] = await Promise.all([
        page.waitForRequest(/^packetflix:/),
        page.getByRole('button', { name: 'Open in Wireshark' }).click(),
      ]);
      tested.expectProblems(/^request: packetflix:/);
      const { pathname } = new URL(request.url().slice('packetflix:'.length));
      await using client = await CaptureClient.open(service, {}, { path: pathname });
      await client.described('lo');

      await page.getByRole('button', { name: 'Copy command…' }).click();
      await page.getByText('Authorization: Bearer $PACKETFLIX_TOKEN').first().waitFor();
      expect(await page.content()).not.toContain(TOKEN);
      expect(urls.filter((url) => url.includes(TOKEN))).toEqual([]);
    });
  });
});

/** Requests that were refused are errors on the console. */
const REFUSED = /status of 401/;

async function enter(page: Page, token: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Token' }).fill(token);
  await page.keyboard.press('Enter');
}

async function choose(page: Page, { pid }: NetworkNamespace & { readonly pid: number }): Promise<void> {
  await page.getByText(/^Live/).waitFor();
  await page.getByRole('checkbox', { name: /^Processes/ }).check();
  await page.getByLabel('Search targets').fill(`sleep(${pid})`);
  await page.getByRole('checkbox', { name: `sleep(${pid})` }).check();
}
