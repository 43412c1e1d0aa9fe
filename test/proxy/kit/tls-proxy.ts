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
import { missingPrograms, reportSkipped } from '../../kit/required-programs.js';
import { run } from '../../kit/run.js';
import { freePort } from '../../kit/service.js';
import { caddyRecipe, caddyTryOutRecipe } from './recipes/caddy-recipe.js';
import { haproxyRecipe } from './recipes/haproxy-recipe.js';
import { nginxRecipe } from './recipes/nginx-recipe.js';
import { type CertificateFiles, PASSWORD, type ProxyRecipe, TOKEN, USER } from './recipes/proxy-recipe.js';

/** Recipes that are tested with the real program. Traefik is missing because Debian has no package of it. */
export const RECIPES = [nginxRecipe, caddyRecipe, haproxyRecipe];
export { caddyTryOutRecipe, nginxRecipe };

/** Path prefix of the service in the shipped configurations. */
export const PREFIX = '/packetflix';

export const WITH_PASSWORD = {
  Authorization: `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`,
};
export const WITH_TOKEN = { Authorization: `Bearer ${TOKEN}` };

/** Includes the folders of Debian's haproxy and nginx, which the search path of a user may lack. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** Tests with real proxies. Where a proxy is not installed, its tests are skipped and the missing programs are reported. */
export function describeWithProxies(
  title: string,
  recipes: readonly ProxyRecipe[],
  tests: (recipe: ProxyRecipe) => void,
): void {
  for (const recipe of recipes) {
    const titleOfThis = title.replace('$proxy', recipe.name);
    const required = [[recipe.program, recipe.debianPackage] as const, ['openssl', 'openssl'] as const];
    const missing = missingPrograms(required, PATH);
    if (missing.length > 0) reportSkipped(titleOfThis, missing);
    (missing.length > 0 ? describe.skip : describe)(titleOfThis, () => tests(recipe));
  }
}

/** A real proxy with its shipped configuration: it terminates TLS, requires a password and adds a path prefix. */
export class TlsProxy implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    private readonly folder: string,
    readonly port: number,
    /** Path of the certificate that clients must trust. */
    readonly authority: string,
  ) {}

  /** @param port default: any free port */
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

  /** PEM of the certificate that clients must trust. */
  get certificate(): string {
    return readFileSync(this.authority, 'utf8');
  }

  /** What the proxy has printed so far. */
  get output(): string {
    return this.child.stdout + this.child.stderr;
  }

  /** How clients reach the service through it. */
  get relay(): TlsRelay {
    return { url: this.url('', 'wss'), certificate: this.certificate };
  }

  url(path: string, scheme: 'https' | 'wss' = 'https'): string {
    return `${scheme}://localhost:${this.port}${PREFIX}${path}`;
  }

  /** @param target a path below the prefix, or a whole URL */
  async get(
    target: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
    const url = target.includes('://') ? target : this.url(target);
    const request = httpsRequest(url, { headers, ca: this.certificate, agent: false, family: 4 });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // SIGTERM, because a killed nginx master process would leave its worker.
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
  chmodSync(files.key, 0o644); // the proxy may run as another user
  return files;
}
