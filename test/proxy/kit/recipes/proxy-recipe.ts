import { readFileSync } from 'node:fs';

const RECIPES = new URL('../../../../docker/proxies/', import.meta.url).pathname;

/** Values that replace those of the shipped configuration. */
export interface ProxySetting {
  /** Folder for all files of the proxy; readable by all users. */
  readonly folder: string;
  readonly port: number;
  readonly upstreamPort: number;
  readonly certificate: CertificateFiles;
}

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Credentials that all proxies accept. */
export const USER = 'alice';
export const PASSWORD = 'correct horse: "battery" staple';
export const TOKEN = '0f1e2d3c4b5a69788796a5b4c3d2e1f0';

/** How to start a proxy with the configuration that is shipped for it. */
export interface ProxyRecipe {
  readonly name: string;
  readonly program: string;
  readonly debianPackage: string;
  /** Writes the configuration files; returns arguments and environment of the program. */
  prepare(setting: ProxySetting): Promise<{
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    /** Path of the certificate authority, if the proxy makes its certificate itself. */
    readonly authority?: string;
  }>;
}

/**
 * A shipped configuration in which only ports and paths are replaced with those of a test.
 *
 * @throws Error when the file does not contain a text to replace; adapt the test then
 */
export function shipped(file: string, replacements: Readonly<Record<string, string>>): string {
  let text = readFileSync(RECIPES + file, 'utf8');
  for (const [shippedText, testText] of Object.entries(replacements)) {
    if (!text.includes(shippedText)) throw new Error(`docker/proxies/${file} has no ${shippedText}`);
    text = text.replaceAll(shippedText, testText);
  }
  return text;
}
