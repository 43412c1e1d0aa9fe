import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../kit/service.js';

/** Copies the built service and its runtime dependencies into a folder. */
export function copyProduction(folder: string): void {
  const { packages } = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const needed = Object.entries(packages)
    .filter(([path, { dev }]) => path.startsWith('node_modules/') && dev !== true)
    .map(([path]) => path);
  for (const path of ['dist', 'package.json', ...needed]) {
    // Packages for other platforms are in the lock file, but not installed.
    if (existsSync(join(PROJECT, path))) cpSync(join(PROJECT, path), join(folder, path), { recursive: true });
  }
}
