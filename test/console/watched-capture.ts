import type { BrowserContextOptions, Download, Locator, Page } from 'playwright-core';
import { TestPage } from '../kit/browser.js';
import { eventually } from '../kit/eventually.js';
import type { NetworkNamespace } from '../kit/namespace.js';
import type { Service } from '../kit/service.js';
import { readFileSync } from 'node:fs';

export interface WatchOptions {
  readonly context?: BrowserContextOptions;
  /** Called before the page is loaded. */
  readonly prepare?: (page: Page) => Promise<unknown>;
  /** Names, separated by blanks; default: all. */
  readonly interfaces?: string;
  /** Called when everything has been chosen. */
  readonly beforeStart?: () => Promise<unknown>;
}

/** The view of a capture in a browser, as its users see it. */
export class WatchedCapture implements AsyncDisposable {
  private constructor(
    private readonly tested: TestPage,
    private readonly target: string,
    private readonly options: WatchOptions,
  ) {}

  /** Chooses the target with that network namespace on the page, and opens the view of a capture of it. */
  static async open(
    service: Service,
    { inode }: NetworkNamespace,
    options: WatchOptions = {},
  ): Promise<WatchedCapture> {
    const target = await nameOf(service, inode);
    const tested = await TestPage.open(service.url('/console/'), options.context, options.prepare);
    const watched = new WatchedCapture(tested, target, options);
    try {
      await watched.start();
      return watched;
    } catch (error) {
      await tested[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
  }

  /** Loads the page again, and does the same. */
  async reopen(): Promise<void> {
    await this.page.reload();
    await this.start();
  }

  private async start(): Promise<void> {
    const { interfaces = '', beforeStart } = this.options;
    await this.page.getByText(/^Live/).waitFor();
    await this.page.getByRole('checkbox', { name: /^Processes/ }).check();
    await this.page.getByRole('checkbox', { name: this.target, exact: true }).check();
    await this.page.getByRole('textbox', { name: 'Interfaces' }).fill(interfaces);
    await beforeStart?.();
    await this.page.getByRole('button', { name: 'Watch here' }).click();
  }

  get view(): Locator {
    return this.page.getByRole('dialog');
  }

  get page(): Page {
    return this.tested.page;
  }

  expectProblems(pattern: RegExp): void {
    this.tested.expectProblems(pattern);
  }

  accessibilityProblems(): Promise<string[]> {
    return this.tested.accessibilityProblems();
  }

  /** Those of the rows with all of these texts. */
  rows(...texts: readonly string[]): Locator {
    return texts.reduce(
      (rows, text) => rows.filter({ hasText: text }),
      this.view.getByRole('row').filter({ has: this.page.getByRole('gridcell') }),
    );
  }

  field(text: string): Locator {
    return this.view.getByRole('treeitem').filter({ hasText: text });
  }

  get filter(): Locator {
    return this.view.getByRole('searchbox', { name: 'Display filter' });
  }

  button(name: string | RegExp): Locator {
    return this.view.getByRole('button', { name });
  }

  /** The number after a name in the status bar. */
  async counter(name: string): Promise<number> {
    const value = await this.view
      .locator('.watch-status dl > div', { hasText: name })
      .locator('dd')
      .innerText();
    return Number(value.replaceAll(',', '').split(' ')[0]);
  }

  async isPressed(button: string, pressed: boolean): Promise<boolean> {
    return (await this.button(button).getAttribute('aria-pressed')) === String(pressed);
  }

  /** Texts of the first row that can be seen whole. */
  async topRow(): Promise<string[]> {
    const head = await this.view.getByRole('columnheader').first().boundingBox();
    const bottom = (head?.y ?? 0) + (head?.height ?? 0);
    for (const row of await this.rows().all()) {
      const box = await row.boundingBox();
      if (box && box.y >= bottom) return row.getByRole('gridcell').allInnerTexts();
    }
    return [];
  }

  async capturing(): Promise<void> {
    await this.view.getByRole('status').filter({ hasText: 'Capturing' }).waitFor();
  }

  async loadDissectors(): Promise<void> {
    await this.button(/Load Wireshark/).click();
    await this.dissecting();
  }

  async dissecting(): Promise<void> {
    await this.view.getByText('Dissected by Wireshark').waitFor({ timeout: 60_000 });
  }

  /** What the button Save downloads. */
  async save(): Promise<{ readonly name: string; readonly content: Buffer }> {
    const downloading: Promise<Download> = this.page.waitForEvent('download');
    await this.button('Save').click();
    const download = await downloading;
    return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.tested[Symbol.asyncDispose]();
  }
}

/** Name of the target with that network namespace. */
async function nameOf(service: Service, netns: number): Promise<string> {
  let name: string | undefined;
  await eventually('the target', async () => {
    const response = await fetch(service.url('/targets'));
    const { targets } = (await response.json()) as { targets: { name: string; netns: number }[] };
    name = targets.find((target) => target.netns === netns)?.name;
    return name !== undefined;
  });
  return name ?? '';
}
