import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../kit/run.js';

const VALIDITY_DAYS = '1';

/** A certificate authority for one cluster, with openssl(1). */
export class CertificateAuthority {
  private constructor(private readonly folder: string) {}

  static async create(folder: string): Promise<CertificateAuthority> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const authority = new CertificateAuthority(folder);
    await authority.makeKey('ca');
    const subject = ['-subj', '/CN=packetflix-tests', '-days', VALIDITY_DAYS];
    await run(
      'openssl',
      'req',
      '-x509',
      '-new',
      '-key',
      authority.key('ca'),
      ...subject,
      '-out',
      authority.certificate('ca'),
    );
    return authority;
  }

  certificate(name: string): string {
    return join(this.folder, `${name}.crt`);
  }

  key(name: string): string {
    return join(this.folder, `${name}.key`);
  }

  async makeKey(name: string): Promise<void> {
    await run('openssl', 'ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', this.key(name));
  }

  /** @param names its alternative names, such as `DNS:localhost` or `IP:127.0.0.1` */
  async issue(name: string, subject: string, names: readonly string[]): Promise<void> {
    await this.makeKey(name);
    const [request, extensions] = [join(this.folder, `${name}.csr`), join(this.folder, `${name}.ext`)];
    const alternativeNames = names.length > 0 ? `subjectAltName=${names.join(',')}\n` : '';
    writeFileSync(extensions, `extendedKeyUsage=clientAuth,serverAuth\n${alternativeNames}`);
    await run('openssl', 'req', '-new', '-key', this.key(name), '-subj', subject, '-out', request);
    const signing = [
      '-CA',
      this.certificate('ca'),
      '-CAkey',
      this.key('ca'),
      '-CAcreateserial',
      '-days',
      VALIDITY_DAYS,
    ];
    const files = ['-in', request, '-extfile', extensions, '-out', this.certificate(name)];
    await run('openssl', 'x509', '-req', ...signing, ...files);
  }
}
