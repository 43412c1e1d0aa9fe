import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

const FOLDER = resolve(import.meta.dirname, '../../docker/proxies/traefik');

interface Static {
  readonly entryPoints: Record<string, { address: string }>;
  readonly providers: { file: { filename: string } };
}

interface Dynamic {
  readonly http: {
    readonly routers: Record<
      string,
      { entryPoints: string[]; rule: string; middlewares: string[]; service: string; tls?: object }
    >;
    readonly middlewares: Record<string, Record<string, unknown>>;
    readonly services: Record<string, { loadBalancer: { servers: { url: string }[] } }>;
  };
  readonly tls: { certificates: { certFile: string; keyFile: string }[] };
}

// Debian has no package of Traefik, so that tests cannot run it; the documentation says so.
describe.each([
  ['as shipped', (text: string) => text],
  [
    'with the router for tokens',
    (text: string) => text.replace(/^ {4}# (?=(?:packetflix-token| {2}\w+):)/gm, '    '),
  ],
])('The recipe for Traefik, %s,', (title, edited) => {
  const fixed = read<Static>('traefik.yaml', (text) => text);
  const { http, tls } = read<Dynamic>('dynamic.yaml', edited);

  it('refers only to existing entry points, services and middlewares', () => {
    for (const { entryPoints, middlewares, service } of Object.values(http.routers)) {
      for (const name of entryPoints) expect(fixed.entryPoints).toHaveProperty(name);
      for (const name of middlewares) expect(http.middlewares).toHaveProperty(name);
      expect(http.services).toHaveProperty(service);
    }
    expect(fixed.providers.file.filename).toBe('/etc/traefik/dynamic.yaml');
    expect(Object.keys(http.routers)).toHaveLength(title.includes('tokens') ? 2 : 1);
  });

  it('requires TLS and a password or a token', () => {
    for (const { rule, middlewares, tls: routerTls } of Object.values(http.routers)) {
      const kinds = middlewares.flatMap((name) => Object.keys(http.middlewares[name] ?? {}));
      expect(kinds.includes('basicAuth') || rule.includes('Header(`Authorization`, `Bearer ')).toBe(true);
      expect(kinds).toContain('stripPrefix');
      expect(routerTls).toBeDefined();
      // A || must not split a rule with &&.
      expect(rule.includes('&&') && rule.includes('||')).toBe(false);
    }
    expect(tls.certificates).toHaveLength(1);
  });

  it('neither buffers nor compresses', () => {
    const kinds = Object.values(http.middlewares).flatMap((middleware) => Object.keys(middleware));
    expect(kinds).not.toContain('buffering');
    expect(kinds).not.toContain('compress');
  });
});

function read<T>(file: string, edited: (text: string) => string): T {
  return parse(edited(readFileSync(join(FOLDER, file), 'utf8'))) as T;
}
