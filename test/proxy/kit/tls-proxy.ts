import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import type { TlsRelay } from '../../kit/capture-client.js';
import { Child } from '../../kit/child.js';
import { eventually } from '../../kit/eventually.js';
import { run } from '../../kit/run.js';
import { freePort } from '../../kit/service.js';
import { caddyRecipe, caddyTryOutRecipe } from './recipes/caddy-recipe.js';
import { haproxyRecipe } from './recipes/haproxy-recipe.js';
import { nginxRecipe } from './recipes/nginx-recipe.js';
import { type CertificateFiles, PASSWORD, type ProxyRecipe, TOKEN, USER } from './recipes/proxy-recipe.js';

/** All that are tried with the real program. Debian has no Traefik. */
export const RECIPES = [nginxRecipe, caddyRecipe, haproxyRecipe];
export { caddyTryOutRecipe, nginxRecipe };

/** Where the shipped files put the service. */
export const PREFIX = '/packetflix';

export const WITH_PASSWORD = {
  Authorization: `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`,
};
export const WITH_TOKEN = { Authorization: `Bearer ${TOKEN}` };

/** Debian has some where a user's search path does not lead. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** Tests with real proxies. Where one is not there they are skipped, and say what is lacking. */
export function describeWithProxies(
  title: string,
  recipes: readonly ProxyRecipe[],
  tests: (recipe: ProxyRecipe) => void,
): void {
  for (const recipe of recipes) {
    const titleOfThis = title.replace('$proxy', recipe.name);
    const lacking = [[recipe.program, recipe.debianPackage] as const, ['openssl', 'openssl'] as const]
      .filter(([command]) => spawnSync('which', [command], { env: { ...process.env, PATH } }).status !== 0)
      .map(([command, debianPackage]) => `there is no ${command} (Debian package ${debianPackage})`);
    if (lacking.length > 0) console.warn(`SKIPPED: ${titleOfThis}\n  ${lacking.join('\n  ')}`);
    (lacking.length > 0 ? describe.skip : describe)(titleOfThis, () => tests(recipe));
  }
}

/** A real proxy that ends TLS, asks for a password and has the service below a path, with its shipped configuration. */
export class TlsProxy implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    private readonly folder: string,
    readonly port: number,
    /** Path of the certificate to trust it by. */
    readonly authority: string,
  ) {}

  /** @param port any free one, unless the service has to know it beforehand */
  static async before(upstreamPort: number, recipe: ProxyRecipe, port?: number): Promise<TlsProxy> {
    port ??= await freePort();
    const folder = mkdtempSync('/tmp/packetflix-test-proxy-');
    chmodSync(folder, 0o755);
    const certificate = await selfSigned(folder);
    const { args, env, authority } = await recipe.prepare({ folder, port, upstreamPort, certificate });
    const child = await Child.start(recipe.program, args, { ...process.env, PATH, ...env });
    const proxy = new TlsProxy(child, folder, port, authority ?? certificate.certificate);
    try {
      await eventually(`${recipe.name} to listen`, () => child.alive && proxy.listens());
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw new Error(`${recipe.name} did not start: ${child.stdout}${child.stderr}`, { cause: error });
    }
    return proxy;
  }

  /** To trust it by. */
  get certificate(): string {
    return readFileSync(this.authority, 'utf8');
  }

  /** How clients find the service behind it. */
  get relay(): TlsRelay {
    return { url: this.url('', 'wss'), certificate: this.certificate };
  }

  url(path: string, scheme: 'https' | 'wss' = 'https'): string {
    return `${scheme}://localhost:${this.port}${PREFIX}${path}`;
  }

  /** @param target below the prefix, unless it is a whole URL */
  async get(
    target: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
    const url = target.includes('://') ? target : this.url(target);
    const asked = httpsRequest(url, { headers, ca: this.certificate, agent: false, family: 4 });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In order: a killed master would leave its worker behind.
    this.child.signal('SIGTERM');
    await this.child.ended;
    rmSync(this.folder, { recursive: true });
  }

  private async listens(): Promise<boolean> {
    const socket = connectTls({
      host: '127.0.0.1',
      port: this.port,
      servername: 'localhost',
      ca: this.certificate,
    });
    await once(socket, 'secureConnect');
    socket.destroy();
    return true;
  }
}

async function selfSigned(folder: string): Promise<CertificateFiles> {
  const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const kind = ['-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await run('openssl', 'req', ...kind, ...name, '-keyout', files.key, '-out', files.certificate);
  chmodSync(files.key, 0o644); // the proxy may be another user
  return files;
}
