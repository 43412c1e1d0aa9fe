import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../kit/run.js';
import { PASSWORD, type ProxyRecipe, type ProxySetting, shipped, TOKEN, USER } from './proxy-recipe.js';

const CADDY = { program: 'caddy', debianPackage: 'caddy' };

/** `docker/proxies/Caddyfile` with all its variables. */
export const caddyRecipe: ProxyRecipe = {
  ...CADDY,
  name: 'Caddy',

  async prepare(setting: ProxySetting) {
    const { certificate, key } = setting.certificate;
    return {
      args: argumentsFor(setting),
      env: {
        ...(await requiredVariables(setting)),
        PACKETFLIX_TOKEN: TOKEN,
        PACKETFLIX_TLS: `${certificate} ${key}`,
      },
    };
  },
};

/** The same file with the required variables only, for which Caddy makes a self-signed certificate. */
export const caddyTryOutRecipe: ProxyRecipe = {
  ...CADDY,
  name: 'Caddy with a self-signed certificate',

  async prepare(setting: ProxySetting) {
    return {
      args: argumentsFor(setting),
      env: await requiredVariables(setting),
      authority: join(setting.folder, 'caddy/pki/authorities/local/root.crt'),
    };
  },
};

function argumentsFor({ folder }: ProxySetting): string[] {
  const file = join(folder, 'Caddyfile');
  writeFileSync(file, shipped('Caddyfile', {}));
  return ['run', '--adapter', 'caddyfile', '--config', file];
}

async function requiredVariables({
  folder,
  port,
  upstreamPort,
}: ProxySetting): Promise<Record<string, string>> {
  return {
    HOME: folder,
    XDG_DATA_HOME: folder,
    XDG_CONFIG_HOME: folder,
    PACKETFLIX_LOGIN: USER,
    PACKETFLIX_PASSWORD_HASH: (await run('caddy', 'hash-password', '--plaintext', PASSWORD)).trim(),
    PACKETFLIX_TLS_PORT: String(port),
    PACKETFLIX_UPSTREAM: `127.0.0.1:${upstreamPort}`,
  };
}
