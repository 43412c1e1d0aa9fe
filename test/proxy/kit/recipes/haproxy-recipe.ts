import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../kit/run.js';
import { PASSWORD, type ProxyRecipe, type ProxySetting, shipped, TOKEN, USER } from './proxy-recipe.js';

/** `docker/proxies/haproxy.cfg`, with the users in a separate file. */
export const haproxyRecipe: ProxyRecipe = {
  name: 'HAProxy',
  program: 'haproxy',
  debianPackage: 'haproxy',

  async prepare({ folder, port, upstreamPort, certificate }: ProxySetting) {
    const hash = (await run('openssl', 'passwd', '-6', PASSWORD)).trim();
    writeFileSync(join(folder, 'users.cfg'), `userlist packetflix\n    user ${USER} password ${hash}\n`);
    writeFileSync(join(folder, 'tokens'), `Bearer ${TOKEN}\n`);
    const pem = readFileSync(certificate.certificate, 'utf8') + readFileSync(certificate.key, 'utf8');
    writeFileSync(join(folder, 'haproxy.pem'), pem);
    const configuration = shipped('haproxy.cfg', {
      'bind :5443': `bind 127.0.0.1:${port}`,
      '/etc/packetflix/tls/haproxy.pem': join(folder, 'haproxy.pem'),
      '/etc/packetflix/tokens': join(folder, 'tokens'),
      '127.0.0.1:5001': `127.0.0.1:${upstreamPort}`,
    });
    writeFileSync(join(folder, 'haproxy.cfg'), configuration);
    return { args: ['-db', '-f', join(folder, 'haproxy.cfg'), '-f', join(folder, 'users.cfg')] };
  },
};
