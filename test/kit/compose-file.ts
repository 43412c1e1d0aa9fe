import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

/** A service of a compose file: the fields that tests use, and all others as `unknown`. */
export interface ComposeService {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly pid?: string;
  readonly read_only?: boolean;
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly [field: string]: unknown;
}

interface ComposeFile {
  readonly services: Record<string, { extends?: { file: string; service: string } }>;
}

/**
 * Reads one service as Docker Compose does: resolves `extends` and substitutes variables.
 *
 * @see https://docs.docker.com/reference/compose-file/services/#extends
 */
export function composeService(
  file: string,
  name: string,
  variables: Readonly<Record<string, string>> = {},
): ComposeService {
  const text = interpolated(readFileSync(file, 'utf8'), variables);
  const service = (parse(text) as ComposeFile).services[name];
  if (!service) throw new Error(`${file} has no service ${name}`);
  const { extends: base, ...own } = service;
  if (!base) return own;
  return merged(
    composeService(join(dirname(file), base.file), base.service, variables),
    own,
  ) as ComposeService;
}

/** Substitutes `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, and `$$` for a dollar sign. */
function interpolated(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$(?:(\$)|\{(\w+)(?:(:?[-?])([^}]*))?\})/g,
    (_, dollar: string | undefined, name: string, operator: string | undefined, rest = '') => {
      if (dollar) return dollar;
      const value = variables[name];
      if (operator === undefined) return value ?? '';
      const isSet = operator.startsWith(':') ? !!value : value !== undefined;
      if (isSet) return value ?? '';
      if (operator.endsWith('?')) throw new Error(`${name}: ${String(rest)}`);
      return String(rest);
    },
  );
}

/** Lists are concatenated, mappings are merged, and any other value of the extending service wins. */
function merged(base: unknown, own: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(own)) return [...(base as unknown[]), ...(own as unknown[])];
  if (!isMapping(base) || !isMapping(own)) return own;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(own)) {
    result[key] = key in base ? merged(base[key], value) : value;
  }
  return result;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
