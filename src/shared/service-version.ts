import { readFileSync } from 'node:fs';

/** What the service calls itself; never holds version information. */
export const SERVICE_NAME = 'packetflix';

/** Semantic version from package.json, which lies two levels above both `src/version` and `dist/version`. */
export const SERVICE_VERSION = readVersion(new URL('../../package.json', import.meta.url));

function readVersion(packageJson: URL): string {
  const { version } = JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string };
  return version;
}
