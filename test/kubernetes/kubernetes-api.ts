import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';

/** What tests ask the API server directly, because kubectl is slow or has no command for it. */
export class KubernetesApi {
  private readonly authority: Buffer;

  constructor(
    readonly address: string,
    readonly certificateFile: string,
    private readonly token: string,
  ) {
    this.authority = readFileSync(certificateFile);
  }

  async get<T>(path: string): Promise<T> {
    return (await this.send('GET', path)) as T;
  }

  /** A token of a ServiceAccount, as `kubectl create token` of newer versions makes it. */
  async createToken(namespace: string, account: string): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    return ((await this.send('POST', path, asked)) as { status: { token: string } }).status.token;
  }

  private async send(method: string, path: string, body?: object): Promise<unknown> {
    const headers = { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method, headers, ca: this.authority, timeout: 10_000, agent: false };
      const sent = request(this.address + path, options, resolve);
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer')));
      sent.end(body && JSON.stringify(body));
    });
    const answer = await text(response);
    if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${answer}`);
    return answer.startsWith('{') ? JSON.parse(answer) : answer;
  }
}
