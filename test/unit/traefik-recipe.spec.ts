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
      {
        entryPoints: string[];
        rule: string;
        priority?: number;
        middlewares: string[];
        service: string;
        tls?: object;
      }
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
    expect(Object.keys(http.routers)).toHaveLength(title.includes('tokens') ? 3 : 2);
  });

  it('requires TLS and a password, a token or a ticket', () => {
    for (const { rule, middlewares, tls: routerTls } of Object.values(http.routers)) {
      const kinds = middlewares.flatMap((name) => Object.keys(http.middlewares[name] ?? {}));
      const isTicket = rule.startsWith('PathRegexp(`^/packetflix/t/');
      const hasToken = rule.includes('Header(`Authorization`, `Bearer ');
      expect(kinds.includes('basicAuth') || hasToken || isTicket).toBe(true);
      // Without a password there is no user name.
      expect(kinds.includes('basicAuth')).toBe(!kinds.includes('headers'));
      expect(kinds).toContain('stripPrefix');
      expect(routerTls).toBeDefined();
      // A || must not split a rule with &&.
      expect(rule.includes('&&') && rule.includes('||')).toBe(false);
    }
    expect(tls.certificates).toHaveLength(1);
  });

  it('names the user, whom no client may choose', () => {
    expect(http.middlewares['packetflix-password']).toMatchObject({
      basicAuth: { headerField: 'X-Forwarded-User', removeHeader: true },
    });
    expect(http.middlewares['packetflix-no-user']).toMatchObject({
      headers: { customRequestHeaders: { 'X-Forwarded-User': '' } },
    });
  });

  it.each([
    ['/packetflix/t/Ab-_9/capture', true],
    ['/packetflix/t/Ab-_9/capture.pcapng', true],
    ['/packetflix/t/Ab-_9/discover/mobyshark', true],
    ['/packetflix/t/Ab-_9/captures', false],
    ['/packetflix/t/Ab-_9/capturexpcapng', false],
    ['/packetflix/t/Ab-_9/targets', false],
    ['/packetflix/t/../targets', false],
    ['/packetflix/t/../version', false],
    ['/packetflix/t/x/../version', false],
    ['/packetflix//t/x/version', false],
    ['/packetflix/t//version', false],
    ['/packetflix/t/%2e%2e/version', false],
    ['/x/packetflix/t/x/version', false],
  ])('lets tickets pass without a password, and nothing else: %s', (path, passes) => {
    const { rule = '', priority } = http.routers['packetflix-ticket']!;
    const pattern = new RegExp(/^PathRegexp\(`([^`]+)`\)$/.exec(rule)![1]!);
    expect(pattern.test(path)).toBe(passes);
    expect(priority).toBeGreaterThan(100);
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
