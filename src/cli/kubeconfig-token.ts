import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { isRecord } from '../shared/is-record.js';
import { kubeconfigOf, outputOf, type ClusterService } from './kubectl.js';
import { checkedToken } from './service-access.js';

const EXEC_API_VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
const EXEC_EXTENSION = 'client.authentication.k8s.io/exec';
/** What a plugin may be told of the cluster, by its name in the kubeconfig and in an ExecCredential. */
const CLUSTER_ATTRIBUTES = [
  'server',
  'tls-server-name',
  'insecure-skip-tls-verify',
  'certificate-authority-data',
  'proxy-url',
  'disable-compression',
];

type Attributes = Readonly<Record<string, unknown>>;

/**
 * The token with which kubectl authenticates to the cluster, for a service that asks the cluster who its users are.
 *
 * @returns undefined when kubectl authenticates in another way, such as by a certificate
 * @throws Error when kubectl or its credential plugin fails, or a file cannot be read
 */
export async function kubeconfigToken(service: ClusterService): Promise<string | undefined> {
  const config = JSON.parse(await kubeconfigOf(service)) as unknown;
  const user = entry(config, 'users', 'user');
  const { directory } = service;
  const found =
    tokenOf(user, directory) ?? (await execToken(user, entry(config, 'clusters', 'cluster'), directory));
  return found === undefined ? undefined : checkedToken(found.trim(), 'the kubeconfig');
}

/** The only entry of a list: the kubeconfig has been reduced to one context. */
function entry(config: unknown, list: string, attribute: string): Attributes {
  const entries = isRecord(config) ? config[list] : undefined;
  const first: unknown = Array.isArray(entries) ? entries[0] : undefined;
  const value = isRecord(first) ? first[attribute] : undefined;
  return isRecord(value) ? value : {};
}

/** As kubectl does, a file is preferred, since it may be newer. */
function tokenOf({ token, tokenFile }: Attributes, directory: string): string | undefined {
  if (typeof tokenFile === 'string' && tokenFile !== '') {
    return readFileSync(fileOf(tokenFile, directory), 'utf8');
  }
  return typeof token === 'string' && token !== '' ? token : undefined;
}

/**
 * Runs the credential plugin as kubectl does.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
async function execToken(
  { exec }: Attributes,
  cluster: Attributes,
  directory: string,
): Promise<string | undefined> {
  if (!isRecord(exec)) return undefined;
  const { apiVersion, command, args, env, interactiveMode, provideClusterInfo } = exec;
  if (
    typeof command !== 'string' ||
    typeof apiVersion !== 'string' ||
    !EXEC_API_VERSIONS.includes(apiVersion)
  ) {
    throw new Error('this version of credential plugins is not known; give a token with --token-file');
  }
  const interactive = interactiveMode !== 'Never' && process.stdin.isTTY;
  const spec = {
    interactive,
    ...(provideClusterInfo === true && { cluster: clusterInfo(cluster) }),
  };
  const info = JSON.stringify({ kind: 'ExecCredential', apiVersion, spec });
  const output = await outputOf(command.includes('/') ? fileOf(command, directory) : command, texts(args), {
    env: { ...process.env, ...variables(env), KUBERNETES_EXEC_INFO: info },
    directory,
    stdin: interactive ? 'inherit' : 'ignore',
  });
  return tokenIn(output, command);
}

function tokenIn(output: string, command: string): string | undefined {
  let credential: unknown;
  try {
    credential = JSON.parse(output);
  } catch {
    // The message of the SyntaxError would quote what may be a token.
    throw new Error(`the credential plugin ${command} does not print JSON`);
  }
  const status = isRecord(credential) ? credential['status'] : undefined;
  const token = isRecord(status) ? status['token'] : undefined;
  return typeof token === 'string' && token !== '' ? token : undefined;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function variables(value: unknown): Record<string, string> {
  const list: unknown[] = Array.isArray(value) ? value : [];
  return Object.fromEntries(
    list.flatMap((each) => {
      const { name, value: text } = isRecord(each) ? each : {};
      return typeof name === 'string' && typeof text === 'string' ? [[name, text]] : [];
    }),
  );
}

function clusterInfo(cluster: Attributes): Attributes {
  const { extensions } = cluster;
  const list: unknown[] = Array.isArray(extensions) ? extensions : [];
  const own = list.find((each) => isRecord(each) && each['name'] === EXEC_EXTENSION);
  return {
    ...Object.fromEntries(
      CLUSTER_ATTRIBUTES.flatMap((name) => (name in cluster ? [[name, cluster[name]]] : [])),
    ),
    ...(isRecord(own) && { config: own['extension'] }),
  };
}

/** Paths are relative to the file that has them, which may be any of those that kubectl reads. */
function fileOf(path: string, directory: string): string {
  const files = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean);
  const candidates = (files.length > 0 ? files : [join(homedir(), '.kube', 'config')]).map((file) =>
    resolve(directory, dirname(file), path),
  );
  return candidates.find((candidate) => existsSync(candidate)) ?? candidates[0]!;
}
