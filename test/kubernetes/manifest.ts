import { join } from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';
import { PROJECT } from '../container/base-images.js';

/** The module of each kind's type; the types are generated from the OpenAPI description of Kubernetes. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'v1 Namespace': 'core/v1',
  'v1 Secret': 'core/v1',
  'v1 Service': 'core/v1',
  'v1 ServiceAccount': 'core/v1',
  'apps/v1 DaemonSet': 'apps/v1',
  'apps/v1 Deployment': 'apps/v1',
  'networking.k8s.io/v1 NetworkPolicy': 'networking/v1',
  'rbac.authorization.k8s.io/v1 ClusterRole': 'rbac/v1',
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': 'rbac/v1',
  'rbac.authorization.k8s.io/v1 Role': 'rbac/v1',
};

export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export function readResources(text: string): Resource[] {
  return parseAllDocuments(text)
    .filter((document) => document.contents !== null)
    .map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Resource;
    });
}

/** The resource of this kind, and of this name where there are several. */
export function resourceOf<T>(resources: readonly Resource[], kind: string, name?: string): T {
  const found = resources.filter(
    (each) => each.kind === kind && (name === undefined || each.metadata.name === name),
  );
  expect(found).toHaveLength(1);
  return found[0] as T;
}

/** Compiler errors for the resources as literals of their types, for which the compiler rejects unknown fields. */
export function violationsIn(resources: readonly Resource[]): string[] {
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
