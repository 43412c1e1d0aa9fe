import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const CHROMIUM = process.env['PACKETFLIX_CHROMIUM'] ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', // the tests run as root
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-precise-memory-info',
];

export interface PageOptions extends BrowserContextOptions {
  /** Called before the first request of the page. */
  readonly prepare?: (page: Page) => Promise<void>;
  /** Complaints that are expected, of the browser itself. */
  readonly ignore?: RegExp;
}

/** A real Chromium. */
export class TestBrowser implements AsyncDisposable {
  private constructor(private readonly browser: Browser) {}

  static async start(): Promise<TestBrowser> {
    return new TestBrowser(await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS }));
  }

  async openPage(url: string, { prepare, ignore, ...options }: PageOptions = {}): Promise<OpenPage> {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    const opened = new OpenPage(page, complaintsOf(page, new URL(url).origin, ignore));
    await prepare?.(page);
    await page.goto(url);
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}

/** A page that must be without errors when it is disposed of. */
export class OpenPage implements AsyncDisposable {
  constructor(
    readonly page: Page,
    private readonly complaints: readonly string[],
  ) {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
    if (this.complaints.length > 0) throw new Error(`errors of the page:\n${this.complaints.join('\n')}`);
  }
}

/** Errors of scripts and of the console, which include violations of the Content-Security-Policy, and requests to elsewhere. */
function complaintsOf(page: Page, origin: string, ignore: RegExp = /(?!)/): readonly string[] {
  const complaints: string[] = [];
  const complain = (text: string) => {
    if (!ignore.test(text)) complaints.push(text);
  };
  page.on('pageerror', (error) => complain(`script: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complain(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.origin !== 'null' && url.protocol !== 'blob:') {
      complain(`request to elsewhere: ${request.url()}`);
    }
  });
  return complaints;
}
