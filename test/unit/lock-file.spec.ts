import { readFileSync } from 'node:fs';
import { PROJECT } from '../kit/service.js';

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

function readJson<Content>(file: string): Content {
  return JSON.parse(readFileSync(`${PROJECT}${file}`, 'utf8')) as Content;
}

const manifest = readJson<{ allowScripts: Record<string, boolean> }>('package.json');
const { packages } = readJson<{ packages: Record<string, LockedPackage> }>('package-lock.json');
const installed = Object.entries(packages).filter(([path]) => path !== '');

describe('The lock file', () => {
  it('has a checksum for every package', () => {
    expect(installed.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))).toEqual([]);
  });

  it('has the Node.js that runs the service, for each platform', () => {
    const versions = ['x64', 'arm64'].map((cpu) => packages[`node_modules/node-linux-${cpu}`]?.version);
    expect(new Set(versions).size).toBe(1);
    expect(versions[0]).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('has no package whose install script would run', () => {
    const withScript = installed
      .filter(([, { hasInstallScript }]) => hasInstallScript)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    expect(withScript.filter((name) => manifest.allowScripts[name] !== false)).toEqual([]);
  });
});
