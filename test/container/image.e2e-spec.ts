import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from './base-images.js';
import { describeWithImage, dockerWithImage } from './describe-with-image.js';
import { SERVICE_IMAGE } from './service-image.js';

/** Somewhat above the size that is documented in docs/container.md. */
const MAX_MEGABYTES = 200;
const MEGABYTE = 1_000_000;

interface ImageFacts {
  readonly Size: number;
  readonly Config: {
    readonly Labels: Record<string, string>;
    readonly Healthcheck: { readonly Test: readonly string[] };
    readonly Entrypoint: readonly string[];
    readonly ExposedPorts: Record<string, unknown>;
  };
}

/** Prints path, mode and owner of all files as JSON. */
const LIST = `
  const { readdirSync, lstatSync } = require('node:fs');
  const SKIPPED = ['/proc', '/sys', '/dev'];
  const list = (folder) => readdirSync(folder).flatMap((name) => {
    const path = (folder === '/' ? '' : folder) + '/' + name;
    if (SKIPPED.includes(path)) return [];
    const stats = lstatSync(path);
    return [{ path, mode: stats.mode, uid: stats.uid }, ...(stats.isDirectory() ? list(path) : [])];
  });
  console.log(JSON.stringify(list('/')));
`;
const MODE_SETUID_OR_SETGID = 0o6000;
const MODE_WRITABLE_BY_ALL = 0o002;
const MODE_LINK = 0o120000;
const MODE_TYPE = 0o170000;

describeWithImage('The image', () => {
  const docker = dockerWithImage();
  let facts: ImageFacts;
  let files: { path: string; mode: number; uid: number }[];

  beforeAll(async () => {
    [facts] = JSON.parse(await docker.runtime.cli('image', 'inspect', SERVICE_IMAGE)) as [ImageFacts];
    files = JSON.parse(await runInside(LIST)) as typeof files;
  }, 60_000);

  function runInside(script: string): Promise<string> {
    const options = ['--rm', '--network', 'none', '--entrypoint', 'node', SERVICE_IMAGE, '--eval', script];
    return docker.runtime.cli('run', ...options);
  }

  it(`has less than ${MAX_MEGABYTES} MB`, () => {
    console.info(`the image has ${(facts.Size / MEGABYTE).toFixed(0)} MB`);
    expect(facts.Size / MEGABYTE).toBeLessThan(MAX_MEGABYTES);
  });

  it('contains the programs that the service runs and no others, such as a shell or a package manager', () => {
    const programs = files
      .filter(({ path }) => /^\/(usr\/)?(local\/)?s?bin\/./.test(path))
      .map(({ path }) => path);
    expect(programs.sort()).toEqual(['/usr/bin/setpriv', '/usr/bin/unshare', '/usr/local/bin/node']);
  });

  it('contains production dependencies only, in the versions of the lock file', async () => {
    const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string; dev?: boolean; devOptional?: boolean; optional?: boolean }>;
    };
    const manifests = files
      .map(
        ({ path }) => /^\/packetflix\/(.*node_modules\/(?:@[^/]+\/)?[^/@]+)\/package\.json$/.exec(path)?.[1],
      )
      .filter((path) => path !== undefined);
    const versions = JSON.parse(
      await runInside(
        `console.log(JSON.stringify(${JSON.stringify(manifests)}.map((path) => require('/packetflix/' + path + '/package.json').version)))`,
      ),
    ) as string[];
    const found = Object.fromEntries(manifests.map((path, index) => [path, versions[index]]));
    const wanted = Object.entries(lock.packages).filter(
      ([path, { dev, optional }]) => path && !dev && !optional,
    );
    expect(wanted.length).toBeGreaterThan(50);
    for (const [path, { version }] of wanted) expect([path, found[path]]).toEqual([path, version]);
    for (const path of manifests) expect([path, lock.packages[path]?.dev ?? false]).toEqual([path, false]);
  });

  it('contains the licences and versions of its Debian packages where scanners look for them', async () => {
    const packages = files
      .map(({ path }) => /^\/var\/lib\/dpkg\/status\.d\/(.+)$/.exec(path)?.[1])
      .filter((name) => name !== undefined);
    expect(packages).toEqual(expect.arrayContaining(['libc6', 'libpcap0.8', 'libstdc++6', 'util-linux']));
    const paths = new Set(files.map(({ path }) => path));
    for (const name of packages) expect(paths).toContain(`/usr/share/doc/${name}/copyright`);
    expect(
      await runInside("console.log(require('fs').readFileSync('/var/lib/dpkg/status.d/libpcap0.8', 'utf8'))"),
    ).toMatch(/^Package: libpcap0\.8$[^]*^Version: 1\./m);
  });

  it('contains no setuid or setgid files and no files that its user can change', () => {
    const notLinks = files.filter(({ mode }) => (mode & MODE_TYPE) !== MODE_LINK);
    expect(notLinks.filter(({ mode }) => mode & MODE_SETUID_OR_SETGID)).toEqual([]);
    expect(notLinks.filter(({ uid }) => uid !== 0)).toEqual([]);
    const writable = notLinks.filter(({ mode }) => mode & MODE_WRITABLE_BY_ALL).map(({ path }) => path);
    expect(writable.sort()).toEqual(['/run', '/tmp']);
  });

  it('has labels, a health check and an exposed port, and runs the service', () => {
    expect(facts.Config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'packetflix',
      'org.opencontainers.image.licenses': 'MIT',
    });
    expect(facts.Config.Healthcheck.Test).toEqual(['CMD', 'node', 'healthcheck.mjs']);
    expect(facts.Config.Entrypoint).toEqual(['node', 'dist/main.js']);
    expect(Object.keys(facts.Config.ExposedPorts)).toEqual(['5001/tcp']);
  });

  it('prints its version and its options', async () => {
    const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(await docker.runtime.cli('run', '--rm', SERVICE_IMAGE, '--version')).toContain(version);
    expect(await docker.runtime.cli('run', '--rm', SERVICE_IMAGE, '--help')).toContain('--discovery-service');
  });
});
