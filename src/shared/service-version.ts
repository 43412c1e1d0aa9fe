import { readFileSync } from 'node:fs';

/** Name of the service in GET /version; never contains version information. */
export const SERVICE_NAME = 'packetflix';

/** Semantic version from package.json, which is two levels above both `src/shared` and `dist/shared`. */
export const SERVICE_VERSION = readVersion(new URL('../../package.json', import.meta.url));

function readVersion(packageJson: URL): string {
  const { version } = JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string };
  return version;
}
