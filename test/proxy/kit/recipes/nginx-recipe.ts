import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../kit/run.js';
import { PASSWORD, type ProxyRecipe, type ProxySetting, shipped, TOKEN, USER } from './proxy-recipe.js';

/** `docker/proxies/nginx.conf`, included in a main configuration. */
export const nginxRecipe: ProxyRecipe = {
  name: 'nginx',
  program: 'nginx',
  debianPackage: 'nginx-light',

  async prepare({ folder, port, upstreamPort, certificate }: ProxySetting) {
    const hash = (await run('openssl', 'passwd', '-6', PASSWORD)).trim();
    writeFileSync(join(folder, 'passwords'), `${USER}:${hash}\n`);
    writeFileSync(join(folder, 'tokens'), `"Bearer ${TOKEN}" off;\n`);
    const site = shipped('nginx.conf', {
      'listen 5443': `listen 127.0.0.1:${port}`,
      'listen [::]:5443 ssl;': '', // some machines have no IPv6
      '/etc/packetflix/tls/certificate.pem': certificate.certificate,
      '/etc/packetflix/tls/key.pem': certificate.key,
      '/etc/packetflix/passwords': join(folder, 'passwords'),
      '/etc/packetflix/tokens': join(folder, 'tokens'),
      '127.0.0.1:5001': `127.0.0.1:${upstreamPort}`,
    });
    writeFileSync(join(folder, 'site.conf'), site);
    writeFileSync(join(folder, 'nginx.conf'), mainConfiguration(folder));
    return { args: ['-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')] };
  },
};

function mainConfiguration(folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${folder}/${kind};`)
    .join('\n');
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events {}
http {
${temporary}
  access_log off;
  include ${folder}/site.conf;
}
`;
}
