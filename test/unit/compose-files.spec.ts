import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DaemonSet, Deployment } from 'kubernetes-types/apps/v1.js';
import type { Container, ContainerPort } from 'kubernetes-types/core/v1.js';
import { parse } from 'yaml';
import { OPTION_TABLE } from '../../src/shared/config/option-table.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';
import { composeService, type ComposeService } from '../kit/compose-file.js';
import { readResources, resourceOf } from '../kubernetes/manifest.js';

const FOLDER = resolve(import.meta.dirname, '../../docker');
const VARIABLES_OF_OPTIONS: ReadonlySet<string> = new Set(OPTION_TABLE.map(({ variable }) => variable));
const VARIABLES = { PACKETFLIX_PASSWORD: 'secret' };

/** The service in each of the compose files. */
const SERVICES: readonly (readonly [file: string, name: string])[] = [
  ['compose.yaml', 'packetflix'],
  ['compose.ghostwire.yaml', 'edgeshark'],
  ['compose.tls.yaml', 'packetflix'],
];
/** The other services. */
const NEIGHBOURS: readonly (readonly [file: string, name: string])[] = [
  ['compose.ghostwire.yaml', 'gostwire'],
  ['compose.tls.yaml', 'caddy'],
];

const read = (file: string, name: string, variables = {}): ComposeService =>
  composeService(join(FOLDER, file), name, { ...VARIABLES, ...variables });

describe('The service in a compose file', () => {
  it.each(SERVICES)('is confined in the same way in all files: %s', (file, name) => {
    const service = read(file, name);
    const base = read('compose.base.yaml', 'packetflix');
    expect(service).toMatchObject(base);
    const own = Object.keys(service).filter((field) => !(field in base));
    expect(['command', 'environment', 'networks', 'ports']).toEqual(expect.arrayContaining(own));
  });

  it.each(SERVICES)('has valid options: %s', (file, name) => {
    const { command = [], environment = {} } = read(file, name);
    const texts = Object.entries(environment).map(([key, value]) => [key, String(value)]);
    const parsed = parseCommandLine(command, Object.fromEntries(texts) as Record<string, string>);
    if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
    expect(Object.keys(environment).filter((name) => !VARIABLES_OF_OPTIONS.has(name))).toEqual([]);
    const { discovery, service } = parsed.options;
    expect(discovery.proxy || discovery.local).toBe(true);
    expect(service.port).toBe(5001);
    expect(service.excludedEndpoints).toContain('5001');
  });

  it.each([...SERVICES, ...NEIGHBOURS])(
    'publishes ports on the loopback address only: %s, %s',
    (file, name) => {
      for (const port of read(file, name).ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
      for (const port of read(file, name, { PACKETFLIX_BIND: '192.0.2.1' }).ports ?? []) {
        expect(port).toMatch(/^192\.0\.2\.1:\d+:\d+$/);
      }
    },
  );

  it.each([
    ['compose.yaml', 'packetflix', 'packetflix', { PACKETFLIX_PORT: '8001' }],
    ['compose.ghostwire.yaml', 'edgeshark', 'edgeshark', { PACKETFLIX_PORT: '8001' }],
    ['compose.tls.yaml', 'packetflix', 'caddy', { PACKETFLIX_TLS_PORT: '8001' }],
  ])('excludes published ports from captures: %s', (file, name, published, variables) => {
    const { environment } = read(file, name, variables);
    const ports = (read(file, published, variables).ports ?? []).flatMap((port) => port.split(':').slice(1));
    expect(ports).toContain('8001');
    expect(String(environment?.PACKETFLIX_EXCLUDE).split(',')).toEqual(expect.arrayContaining(ports));
  });

  it('can only be reached through Caddy in compose.tls.yaml', () => {
    expect(read('compose.tls.yaml', 'packetflix').ports).toBeUndefined();
    expect(() => composeService(join(FOLDER, 'compose.tls.yaml'), 'caddy', {})).toThrow(
      'PACKETFLIX_PASSWORD',
    );
  });

  it.each(NEIGHBOURS)('is accompanied by services that are confined, too: %s, %s', (file, name) => {
    expect(read(file, name)).toMatchObject({
      cap_drop: ['ALL'],
      read_only: true,
      restart: 'unless-stopped',
      mem_limit: expect.stringMatching(/^\d+m$/) as string,
      pids_limit: expect.any(Number) as number,
    });
  });

  it('mounts only files that exist', () => {
    const mounts = [...SERVICES, ...NEIGHBOURS].flatMap(([file, name]) => read(file, name).volumes ?? []);
    const own = mounts.map((mount) => mount.split(':')[0] ?? '').filter((path) => path.startsWith('.'));
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter((path) => !existsSync(join(FOLDER, path)))).toEqual([]);
  });
});

describe('docs/deployment.md', () => {
  it('lists all variables of the compose files', () => {
    const document = readFileSync(join(FOLDER, '../docs/deployment.md'), 'utf8');
    const rows = [...document.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \|/gm)].map(([, names]) => names!);
    const named = rows.flatMap((names) => names.replaceAll('`', '').split(', '));
    const files = ['base', 'ghostwire', 'tls'].map((name) => `compose.${name}.yaml`);
    const texts = ['compose.yaml', ...files].map((file) => readFileSync(join(FOLDER, file), 'utf8'));
    const used = [...texts.join('').matchAll(/(?<!\$)\$\{([A-Z_]+)/g)].map(([, name]) => name!);
    expect(named.sort()).toEqual([...new Set(used)].sort());
  });
});

describe('compose.ghostwire.yaml', () => {
  it('can replace the project edgeshark, with the same names, network, port and options', () => {
    const text = readFileSync(join(FOLDER, 'compose.ghostwire.yaml'), 'utf8');
    const { name, services, networks } = parse(text) as Record<string, Record<string, unknown>>;
    expect(name).toBe('edgeshark');
    expect(Object.keys(services ?? {}).sort()).toEqual(['edgeshark', 'gostwire']);
    expect(networks).toEqual({ '99-ghost-in-da-edge': { name: 'ghost-in-da-edge', internal: false } });
    expect(read('compose.ghostwire.yaml', 'edgeshark')).toMatchObject({
      ports: ['127.0.0.1:5001:5001'],
      command: [
        '--port=5001',
        '--discovery-service=gostwire.ghost-in-da-edge',
        '--gw-port=5000',
        '--proxy-discovery',
      ],
      networks: { '99-ghost-in-da-edge': { priority: 100 } },
    });
    expect(read('compose.ghostwire.yaml', 'gostwire').hostname).toBe('gostwire.ghost-in-da-edge');
  });
});

describe('The manifest for Kubernetes', () => {
  const resources = readResources(readFileSync(join(FOLDER, '../kubernetes/packetflix.yaml'), 'utf8'));
  const daemonSet = resourceOf<DaemonSet>(resources, 'DaemonSet');
  const deployment = resourceOf<Deployment>(resources, 'Deployment');
  const containerOf = ({ spec }: DaemonSet | Deployment): Container => spec!.template.spec!.containers[0]!;

  it.each([
    ['nodes', containerOf(daemonSet)],
    ['gateways', containerOf(deployment)],
  ])('has valid options for %s and declares the ports that they configure', (_, container) => {
    const values = container.env!.map(({ name, value = 'from-the-API-server' }) => [name, value] as const);
    const environment: Record<string, string> = Object.fromEntries(values);
    // Kubernetes sets these itself.
    const api = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
    const parsed = parseCommandLine([], { ...environment, ...api });
    if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
    expect(container.ports).toEqual([
      { name: 'capture', containerPort: parsed.options.service.port },
      { name: 'operator', containerPort: Number(environment.PACKETFLIX_OPERATOR_PORT) },
    ]);
    expect(Object.keys(environment).filter((name) => !VARIABLES_OF_OPTIONS.has(name))).toEqual([]);
  });

  it('leaves out the connections that carry captures', () => {
    const [{ containerPort }] = containerOf(daemonSet).ports as [ContainerPort];
    const variable = containerOf(daemonSet).env!.find(({ name }) => name === 'PACKETFLIX_EXCLUDE');
    expect(variable?.value).toBe(String(containerPort));
  });

  it('gives nodes exactly the privileges of the compose files', () => {
    const container = containerOf(daemonSet);
    const base = read('compose.base.yaml', 'packetflix');
    expect(container.securityContext?.capabilities).toEqual({ drop: base.cap_drop, add: base.cap_add });
    expect(container.securityContext?.readOnlyRootFilesystem).toBe(base.read_only);
    const writable = container.volumeMounts?.filter(({ readOnly }) => !readOnly);
    expect(writable?.map(({ mountPath }) => mountPath)).toEqual(
      base.tmpfs?.map((mount) => mount.split(':')[0]),
    );
    expect(container.resources?.limits?.memory).toBe('1Gi');
    expect(base.mem_limit).toBe('1g');
  });
});
