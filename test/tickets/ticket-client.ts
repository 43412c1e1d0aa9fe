import { WebSocket } from 'ws';
import type { Service } from '../kit/service.js';

export interface IssuedTicket {
  readonly ticket: string;
  readonly path: string;
  readonly expires: string;
}

type Headers = Readonly<Record<string, string>>;

/** @throws Error when the service issues no ticket */
export async function ticketFor(
  service: Service,
  body: object,
  headers: Headers = {},
): Promise<IssuedTicket> {
  const answer = await postTicket(service, JSON.stringify(body), headers);
  if (answer.status !== 201) throw new Error(`no ticket: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as IssuedTicket;
}

export async function postTicket(service: Service, body: string, headers: Headers = {}): Promise<Response> {
  return await fetch(service.url('/tickets'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });
}

/** The status of the answer to a websocket handshake, and its body unless it is 101. */
export async function handshakeAt(url: string): Promise<{ status: number; body: string }> {
  const socket = new WebSocket(url);
  return await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => (socket.terminate(), resolve({ status: 101, body: '' })));
    socket.on('unexpected-response', (_, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => {
        socket.on('error', () => undefined).terminate();
        resolve({ status: response.statusCode ?? 0, body });
      });
    });
  });
}
