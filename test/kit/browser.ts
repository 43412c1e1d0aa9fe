import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { reportSkipped } from './required-programs.js';

const CHROMIUM = process.env['PACKETFLIX_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', // the tests run as root
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Tests in Chromium. Where it is not installed, they are skipped and that is reported. */
export function describeInBrowser(title: string, describeTests: typeof describe, tests: () => void): void {
  if (existsSync(CHROMIUM)) {
    describeTests(title, tests);
    return;
  }
  reportSkipped(title, [`there is no ${CHROMIUM} (Debian package chromium)`]);
  describe.skip(title, tests);
}

/** Chromium with one page, in which nothing may go wrong. */
export class TestPage implements AsyncDisposable {
  /** What has gone wrong: errors of scripts, on the console, and requests to other origins. */
  readonly problems: string[] = [];

  private constructor(
    private readonly browser: Browser,
    readonly page: Page,
  ) {}

  /** Opens the page at a URL. Its script errors, console errors, and requests to other origins count as problems. */
  static async open(url: string, options: BrowserContextOptions = {}): Promise<TestPage> {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
    try {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      const tested = new TestPage(browser, page);
      tested.watch(new URL(url).origin);
      await page.goto(url);
      return tested;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** Violations of the Content-Security-Policy are errors on the console. */
  private watch(origin: string): void {
    this.page.on('pageerror', (error) => this.problems.push(`script: ${error.stack ?? error.message}`));
    this.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.problems.push(`console: ${message.text()}`);
    });
    this.page.on('dialog', (dialog) => {
      this.problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    this.page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      const isOwn = `${protocol.replace('ws', 'http')}//${host}` === origin;
      if (!isOwn && !['data:', 'blob:'].includes(protocol)) this.problems.push(`request: ${request.url()}`);
    });
  }

  /** Closes the browser. Throws if something has gone wrong in the page. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    if (this.problems.length > 0) throw new Error(`the page has problems:\n${this.problems.join('\n')}`);
  }
}
