import { existsSync, readFileSync } from 'node:fs';
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

const AXE = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** The part of axe-core's result that is used here. */
interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
}

/** Tests in Chromium. Where it is not installed, they are skipped and that is reported. */
export function describeInBrowser(title: string, tests: () => void): void {
  if (existsSync(CHROMIUM)) {
    describe(title, tests);
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

  /**
   * Opens the page at a URL. Its script errors, console errors, and requests to other origins count as problems.
   *
   * @param prepare called before the page is loaded
   */
  static async open(
    url: string,
    options: BrowserContextOptions = {},
    prepare?: (page: Page) => Promise<unknown>,
  ): Promise<TestPage> {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
    try {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      const tested = new TestPage(browser, page);
      tested.watch(new URL(url).origin);
      await prepare?.(page);
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
      // A link that opens Wireshark leaves the browser, but not the machine.
      if (protocol === 'packetflix:') return;
      const isOwn = `${protocol.replace('ws', 'http')}//${host}` === origin;
      if (!isOwn && !['data:', 'blob:'].includes(protocol)) this.problems.push(`request: ${request.url()}`);
    });
  }

  /** Expects that something goes wrong, such as requests while the service is away. */
  expectProblems(pattern: RegExp): void {
    const unexpected = this.problems.filter((problem) => !pattern.test(problem));
    this.problems.splice(0, this.problems.length, ...unexpected);
  }

  /** What axe-core finds that keeps people from using the page: its serious and critical violations. */
  async accessibilityProblems(): Promise<string[]> {
    // An expression: the Content-Security-Policy forbids script elements of tests, too.
    if (!(await this.page.evaluate(() => 'axe' in globalThis))) await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() =>
      (globalThis as unknown as { axe: { run(): Promise<AxeResult> } }).axe.run(),
    );
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
      );
  }

  /** Closes the browser. Throws if something has gone wrong in the page. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    if (this.problems.length > 0) throw new Error(`the page has problems:\n${this.problems.join('\n')}`);
  }
}
