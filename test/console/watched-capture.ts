import type { BrowserContextOptions, Download, Locator, Page } from 'playwright-core';
import { TestPage } from '../kit/browser.js';
import type { Service } from '../kit/service.js';
import { readFileSync } from 'node:fs';

export interface WatchOptions {
  readonly context?: BrowserContextOptions;
  /** Called before the page is loaded. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

/** The view of a capture in a browser, as its users see it. */
export class WatchedCapture implements AsyncDisposable {
  private constructor(private readonly tested: TestPage) {}

  /** Opens the view of a capture with these parameters, and waits until it captures. */
  static async open(
    service: Service,
    parameters: Readonly<Record<string, string>>,
    { context, prepare }: WatchOptions = {},
  ): Promise<WatchedCapture> {
    const url = service.url(`/console/?${new URLSearchParams(parameters).toString()}`);
    return new WatchedCapture(await TestPage.open(url, context, prepare));
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
      this.page.getByRole('row').filter({ has: this.page.getByRole('gridcell') }),
    );
  }

  field(text: string): Locator {
    return this.page.getByRole('treeitem').filter({ hasText: text });
  }

  get filter(): Locator {
    return this.page.getByRole('searchbox', { name: 'Display filter' });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name });
  }

  /** The number after a name in the status bar. */
  async counter(name: string): Promise<number> {
    const value = await this.page
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
    const head = await this.page.getByRole('columnheader').first().boundingBox();
    const bottom = (head?.y ?? 0) + (head?.height ?? 0);
    for (const row of await this.rows().all()) {
      const box = await row.boundingBox();
      if (box && box.y >= bottom) return row.getByRole('gridcell').allInnerTexts();
    }
    return [];
  }

  async capturing(): Promise<void> {
    await this.page.getByRole('status').filter({ hasText: 'Capturing' }).waitFor();
  }

  async loadDissectors(): Promise<void> {
    await this.button(/Load Wireshark/).click();
    await this.dissecting();
  }

  async dissecting(): Promise<void> {
    await this.page.getByText('Dissected by Wireshark').waitFor({ timeout: 60_000 });
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
