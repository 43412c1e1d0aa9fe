import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../../kit/child.js';
import { eventually } from '../../kit/eventually.js';
import { run } from '../../kit/run.js';
import { freePort } from '../../kit/service.js';

/** Debian has it where a user's search path does not lead. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
const REQUIRED_TOOLS = [
  ['nginx', 'nginx-light'],
  ['openssl', 'openssl'],
] as const;

/** Tests with a real nginx. Where there is none they are skipped, and say what is lacking. */
export function describeWithNginx(title: string, tests: () => void): void {
  const lacking = REQUIRED_TOOLS.filter(
    ([command]) => spawnSync('which', [command], { env: { ...process.env, PATH } }).status !== 0,
  ).map(([command, debianPackage]) => `there is no ${command} (Debian package ${debianPackage})`);
  if (lacking.length === 0) {
    describe(title, tests);
    return;
  }
  console.warn(`SKIPPED: ${title}\n  ${lacking.join('\n  ')}`);
  describe.skip(title, tests);
}

/** A real nginx that ends TLS and has the service below a path, as an operator would set it up. */
export class Nginx implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    private readonly folder: string,
    readonly port: number,
    /** To trust it by. */
    readonly certificate: string,
  ) {}

  /** @param port any free one, unless the service has to know it beforehand */
  static async before(servicePort: number, prefix: string, port?: number): Promise<Nginx> {
    const folder = mkdtempSync('/tmp/packetflix-test-nginx-');
    await run('openssl', ...selfSigned(folder));
    port ??= await freePort();
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, configuration(folder, port, servicePort, prefix));
    const child = await Child.start('nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', file], {
      ...process.env,
      PATH,
    });
    const certificate = readFileSync(join(folder, 'certificate.pem'), 'utf8');
    const nginx = new Nginx(child, folder, port, certificate);
    try {
      await eventually('nginx to have its files ready', () => child.alive && nginx.listens());
    } catch (error) {
      await nginx[Symbol.asyncDispose]();
      throw new Error(`nginx did not start: ${child.stderr}`, { cause: error });
    }
    return nginx;
  }

  private listens(): boolean {
    return readFileSync(join(this.folder, 'nginx.pid'), 'utf8') !== '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In order: a killed master would leave its worker behind.
    this.child.signal('SIGTERM');
    await this.child.ended;
    rmSync(this.folder, { recursive: true });
  }
}

function selfSigned(folder: string): string[] {
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  return [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    ...name,
    ...files,
  ];
}

function configuration(folder: string, port: number, servicePort: number, prefix: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${folder}/${kind};`)
    .join('\n');
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events {}
http {
${temporary}
  access_log off;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/certificate.pem;
    ssl_certificate_key ${folder}/key.pem;
    location ${prefix}/ {
      proxy_pass http://127.0.0.1:${servicePort}/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-Prefix ${prefix};
      proxy_set_header X-Forwarded-Uri $request_uri;
      proxy_buffering off;
      proxy_request_buffering off;
      client_max_body_size 0;
    }
  }
}
`;
}
