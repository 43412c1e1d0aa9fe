import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DaemonSet } from 'kubernetes-types/apps/v1.js';
import type { Service } from 'kubernetes-types/core/v1.js';
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import type { Role } from 'kubernetes-types/rbac/v1.js';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const PROJECT = resolve(import.meta.dirname, '../..');
const TEXT = readFileSync(join(PROJECT, 'docker/kubernetes/packetflix.yaml'), 'utf8');

/** The module of each kind's type; the types are generated from the OpenAPI description of Kubernetes. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'v1 Namespace': 'core/v1',
  'v1 Service': 'core/v1',
  'apps/v1 DaemonSet': 'apps/v1',
  'networking.k8s.io/v1 NetworkPolicy': 'networking/v1',
  'rbac.authorization.k8s.io/v1 Role': 'rbac/v1',
};

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
}

describe('The manifest for Kubernetes', () => {
  const resources = readResources(TEXT);

  it('consists of a DaemonSet and the kinds of objects that it needs', () => {
    expect(resources.map(({ kind }) => kind)).toEqual([
      'Namespace',
      'DaemonSet',
      'Service',
      'NetworkPolicy',
      'Role',
    ]);
  });

  it('conforms to the schema of Kubernetes and has no unknown fields', () => {
    expect(violationsIn(resources)).toEqual([]);
  });

  it.each([
    ['an unknown field', 'hostPID: true', 'hostPid: true'],
    ['a field in the wrong place', 'type: RuntimeDefault', 'type: RuntimeDefault\n            hostPID: true'],
    ['a string instead of a number', 'containerPort: 5001', "containerPort: '5001'"],
    ['a boolean instead of a list', 'drop: [ALL]', 'drop: true'],
    ['a missing field', '      port: 5001\n', ''],
    ['a missing selector', /^ {2}selector:\n {4}matchLabels:\n.*\n/m, ''],
  ])('would not conform with %s', (_, right, wrong) => {
    const changed = TEXT.replace(right, wrong);
    expect(changed).not.toBe(TEXT);
    expect(violationsIn(readResources(changed))).not.toEqual([]);
  });

  const daemonSet = resources.find(({ kind }) => kind === 'DaemonSet') as DaemonSet;
  const pod = daemonSet.spec!.template;
  const container = pod.spec!.containers[0]!;

  it('selects its own pods by their labels', () => {
    const service = resources.find(({ kind }) => kind === 'Service') as Service;
    expect(pod.metadata?.labels).toMatchObject(daemonSet.spec!.selector.matchLabels!);
    expect(pod.metadata?.labels).toMatchObject(service.spec!.selector!);
  });

  it('refers only to ports of the container', () => {
    const service = resources.find(({ kind }) => kind === 'Service') as Service;
    const policy = resources.find(({ kind }) => kind === 'NetworkPolicy') as NetworkPolicy;
    const named = [
      ...service.spec!.ports!.map(({ targetPort }) => targetPort),
      ...policy.spec!.ingress!.flatMap(({ ports }) => ports!.map(({ port }) => port)),
      ...[container.startupProbe, container.livenessProbe, container.readinessProbe].map(
        (probe) => probe?.httpGet?.port,
      ),
    ];
    expect(new Set(named)).toEqual(new Set(container.ports!.map(({ name }) => name)));
  });

  it('mounts only existing volumes', () => {
    expect(container.volumeMounts!.map(({ name }) => name)).toEqual(
      pod.spec!.volumes!.map(({ name }) => name),
    );
  });

  it('spells SYS_ADMIN so that the API server accepts it without privilege escalation', () => {
    const { allowPrivilegeEscalation, capabilities } = container.securityContext!;
    expect(allowPrivilegeEscalation).toBe(false);
    expect(capabilities!.add!.filter((name) => name.startsWith('CAP_'))).toEqual([]);
  });

  it('has a role for clients that permits only captures', () => {
    const role = resources.find(({ kind }) => kind === 'Role') as Role;
    expect(
      role.rules?.flatMap(({ resources = [], verbs }) => resources.map((each) => [each, ...verbs])),
    ).toEqual([
      ['pods', 'get', 'list'],
      ['pods/proxy', 'get'],
    ]);
  });
});

function readResources(text: string): Resource[] {
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Resource;
  });
}

/** Compiler errors for the resources as literals of their types, for which the compiler rejects unknown fields. */
function violationsIn(resources: readonly Resource[]): string[] {
  const source = resources
    .map((resource, index) => {
      const schema = SCHEMAS[`${resource.apiVersion} ${resource.kind}`] ?? 'unknown';
      const type = `import('kubernetes-types/${schema}').${resource.kind}`;
      return `export const resource${index}: ${type} = ${JSON.stringify(resource)};`;
    })
    .join('\n');
  const file = join(PROJECT, 'test/unit/manifest.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    lib: ['lib.es2022.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (name) => name === file || disk.fileExists(name),
    getSourceFile: (name, ...rest) =>
      name === file
        ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022)
        : disk.getSourceFile(name, ...rest),
  };
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}
