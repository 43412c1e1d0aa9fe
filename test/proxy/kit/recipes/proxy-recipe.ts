import { readFileSync } from 'node:fs';

const RECIPES = new URL('../../../../docker/proxies/', import.meta.url).pathname;

/** What a recipe needs to know, and has no way to be told in its shipped form. */
export interface ProxySetting {
  /** Of its own, for everything that it writes; readable for all. */
  readonly folder: string;
  readonly port: number;
  readonly upstreamPort: number;
  readonly certificate: CertificateFiles;
}

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Who may capture, by whatever proxy. */
export const USER = 'alice';
export const PASSWORD = 'correct horse: "battery" staple';
export const TOKEN = '0f1e2d3c4b5a69788796a5b4c3d2e1f0';

/** How to start a proxy with the configuration that is shipped for it. */
export interface ProxyRecipe {
  readonly name: string;
  readonly program: string;
  readonly debianPackage: string;
  /** Writes files; gives what to start the program with. */
  prepare(setting: ProxySetting): Promise<{
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    /** What to trust it by, where it makes its certificate itself. */
    readonly authority?: string;
  }>;
}

/**
 * A shipped file with ports and paths of a test in place of its own, and nothing else changed.
 *
 * @throws where the file does not have them: then it is the test that has to change
 */
export function shipped(file: string, replacements: Readonly<Record<string, string>>): string {
  let text = readFileSync(RECIPES + file, 'utf8');
  for (const [shippedText, testText] of Object.entries(replacements)) {
    if (!text.includes(shippedText)) throw new Error(`docker/proxies/${file} has no ${shippedText}`);
    text = text.replaceAll(shippedText, testText);
  }
  return text;
}
