import { CaptureGateway } from '../../src/server/capture/capture.gateway.js';
import { CLOSINGS } from '../../src/server/capture/close-codes.js';
import {
  REQUEST_PARAMETERS,
  type ParameterDescription,
} from '../../src/server/capture/request/request-parameters.js';
import type { UpgradeGatewayOptions } from '../../src/server/http/upgrade-ws-adapter.js';
import { SERVICE_NAME, SERVICE_VERSION } from '../../src/shared/service-version.js';
import { containerSchema } from './container-schema.js';

/** Where Nest keeps what a gateway says in its decorator. */
const GATEWAY_OPTIONS = 'websockets:gateway_options';

const CONTAINER = { $ref: '#/components/schemas/container' };

const ABOUT =
  'A websocket that is opened at one of these channels carries one capture, from the answer 101 to the close. What to ' +
  'capture is said by query or by header; where both are there the header wins. Refusals come after the 101, as a ' +
  'close with one of the codes of x-close-codes and a reason.';

/** The captures by websocket as an AsyncAPI document, https://www.asyncapi.com/docs/reference/specification/v3.0.0 */
export function asyncApi(): object {
  const {
    path,
    aliases = [],
    maxPayload,
  } = Reflect.getMetadata(GATEWAY_OPTIONS, CaptureGateway) as UpgradeGatewayOptions;
  const channels = [path, ...aliases].map(
    (address) => [channelName(address), channel(address, maxPayload)] as const,
  );
  return {
    asyncapi: '3.0.0',
    info: { title: SERVICE_NAME, version: SERVICE_VERSION, description: ABOUT, license: { name: 'MIT' } },
    servers: { service: { host: 'localhost:5001', protocol: 'ws' } },
    channels: Object.fromEntries(channels),
    operations: Object.fromEntries(
      channels.map(([name]) => [
        `${name}Stream`,
        {
          action: 'send',
          summary: 'The capture. What the client sends is ignored',
          channel: { $ref: `#/channels/${name}` },
          messages: [{ $ref: `#/channels/${name}/messages/pcapng` }],
        },
      ]),
    ),
    components: {
      messages: {
        pcapng: {
          summary: 'Binary messages which together are one pcapng section. Where one ends means nothing',
          contentType: 'application/x-pcapng',
          payload: { type: 'string', format: 'binary' },
        },
      },
      schemas: { container: containerSchema() },
    },
  };
}

function channel(address: string, maxPayload: number | undefined): object {
  const parameters = Object.entries<ParameterDescription>(REQUEST_PARAMETERS);
  const query = parameters.map(([name, description]) => [name, parameterSchema(description)] as const);
  const headers = parameters.flatMap(([, description]) =>
    description.header === undefined ? [] : [[description.header, parameterSchema(description)] as const],
  );
  return {
    address,
    messages: { pcapng: { $ref: '#/components/messages/pcapng' } },
    bindings: {
      ws: {
        method: 'GET',
        query: { type: 'object', properties: Object.fromEntries(query) },
        headers: { type: 'object', properties: Object.fromEntries(headers) },
        bindingVersion: '0.1.0',
      },
    },
    'x-max-client-message-bytes': maxPayload,
    'x-close-codes': closeCodes(),
  };
}

function parameterSchema({ meaning, schema }: ParameterDescription): object {
  const content = 'contentMediaType' in schema ? { 'x-content-schema': CONTAINER } : {};
  return { ...schema, ...content, description: meaning };
}

/** By code, what it may mean. */
function closeCodes(): object {
  const causes: Record<number, string[]> = {};
  for (const [cause, code] of CLOSINGS) {
    const known = (causes[code] ??= []);
    if (!known.includes(cause)) known.push(cause);
  }
  return causes;
}

/** `/discover/capture` becomes `discoverCapture`. */
function channelName(address: string): string {
  return address.slice(1).replace(/\/(\w)/g, (_, letter: string) => letter.toUpperCase());
}
