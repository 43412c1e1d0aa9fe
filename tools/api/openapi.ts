import type { INestApplication } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import { SERVICE_NAME, SERVICE_VERSION } from '../../src/shared/service-version.js';
import { httpRoutes } from './http-routes.js';

const ABOUT =
  'Live network captures from containers, pods and network namespaces. The captures themselves come by websocket: ' +
  'see asyncapi.json. With --proxy-discovery, all paths that are not listed here belong to GhostWire.';

/** The HTTP paths of the service as an OpenAPI document, https://spec.openapis.org/oas/v3.1.1.html */
export function openApi(app: INestApplication): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { path, method, description } of httpRoutes(app)) {
    paths[path] = { ...paths[path], [method]: operation(description) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: SERVICE_NAME,
      version: SERVICE_VERSION,
      description: ABOUT,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: 'http://localhost:5001' }],
    paths,
  };
}

function operation({ summary, answers }: ReturnType<typeof httpRoutes>[number]['description']): object {
  const responses = Object.entries(answers).map(([status, { when, contentType, schema }]) => [
    status,
    { description: `${STATUS_CODES[status] ?? status}: ${when}`, content: { [contentType]: { schema } } },
  ]);
  return { summary, responses: Object.fromEntries(responses) as object };
}
