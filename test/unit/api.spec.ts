import { MAX_FILTER_BYTES } from '../../src/shared/protocol/limits.js';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { INestApplication } from '@nestjs/common';
import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { AppModule } from '../../src/server/app.module.js';
import { CaptureGateway } from '../../src/server/capture/capture.gateway.js';
import { CLOSINGS } from '../../src/server/capture/close-codes.js';
import { ContainerDto, parseContainer } from '../../src/server/capture/request/container.dto.js';
import {
  REQUEST_PARAMETERS,
  type ParameterDescription,
} from '../../src/server/capture/request/request-parameters.js';
import { LIMIT_PARAMETERS } from '../../src/server/capture/request/capture-limits.js';
import type { UpgradeGatewayOptions } from '../../src/server/http/upgrade-ws-adapter.js';
import { createApplication } from '../../src/server/server.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';
import { SERVICE_NAME, SERVICE_VERSION } from '../../src/shared/service-version.js';

interface Schema {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly $ref?: string;
}

interface OpenApi {
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
}

interface AsyncApi {
  readonly info: { readonly title: string; readonly version: string };
  readonly channels: Readonly<Record<string, { readonly address: string }>>;
  readonly components: {
    readonly channelBindings: {
      readonly capture: { readonly ws: { readonly query: Schema; readonly headers: Schema } };
    };
    readonly schemas: Readonly<Record<string, Schema>>;
  };
  readonly 'x-close-codes': Readonly<Record<string, readonly string[]>>;
  readonly 'x-max-client-message-bytes': number;
}

const ASYNC_API_SCHEMA = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0.json') as object;

const openApi = document('openapi.json') as unknown as OpenApi;
const asyncApi = document('asyncapi.json') as unknown as AsyncApi;
const binding = asyncApi.components.channelBindings.capture.ws;

function document(name: string): Record<string, unknown> {
  const path = resolve(import.meta.dirname, '../../docs/api', name);
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}

describe('docs/api/openapi.json', () => {
  let app: INestApplication;
  beforeAll(async () => {
    const commandLine = parseCommandLine(['--local-discovery'], {});
    if (commandLine.kind !== 'options') throw new Error(`no options: ${commandLine.kind}`);
    const { options } = commandLine;
    app = await createApplication(AppModule.forRoot(options), options);
    app.useLogger(false);
    await app.init();
  });
  afterAll(() => app.close());

  it('is valid OpenAPI', async () => {
    expect(await new Validator().validate(document('openapi.json'))).toEqual({ valid: true });
  });

  it('describes this version of the service', () => {
    expect(openApi.info).toMatchObject({ title: SERVICE_NAME, version: SERVICE_VERSION });
  });

  it('describes exactly the routes that the application serves', () => {
    const described = Object.entries(openApi.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    expect(described.sort()).toEqual(routesOf(app).sort());
  });
});

describe('docs/api/asyncapi.json', () => {
  it('is valid AsyncAPI', () => {
    const ajv = new Ajv({ meta: false, validateSchema: false, strict: false, validateFormats: false });
    const validate = ajv.compile(ASYNC_API_SCHEMA);
    expect(validate(document('asyncapi.json')) || ajv.errorsText(validate.errors)).toBe(true);
    expect(validate({ ...document('asyncapi.json'), operations: { x: { action: 'none' } } })).toBe(false);
  });

  it('describes this version of the service', () => {
    expect(asyncApi.info).toMatchObject({ title: SERVICE_NAME, version: SERVICE_VERSION });
  });

  it('contains the paths and the message limit of the gateway', () => {
    const { path, aliases, maxPayload } = Reflect.getMetadata(
      'websockets:gateway_options',
      CaptureGateway,
    ) as UpgradeGatewayOptions;
    const addresses = Object.values(asyncApi.channels).map(({ address }) => address);
    expect(addresses).toEqual([path, ...(aliases ?? [])]);
    expect(asyncApi['x-max-client-message-bytes']).toBe(maxPayload);
  });

  it('contains exactly the parameters and headers of a capture request', () => {
    const parameters = Object.entries<ParameterDescription>(REQUEST_PARAMETERS);
    const query = binding.query.properties ?? {};
    const headers = binding.headers.properties ?? {};
    expect(Object.keys(query)).toEqual(parameters.map(([name]) => name));
    // A header is described in the same way as its parameter.
    expect(headers).toEqual(
      Object.fromEntries(
        parameters.flatMap(([name, { header }]) => (header === undefined ? [] : [[header, query[name]]])),
      ),
    );
  });

  it('contains the limits of the parameters', () => {
    for (const [name, maximum] of Object.entries(LIMIT_PARAMETERS)) {
      expect(parameterSchema(name)).toMatchObject({ type: 'integer', minimum: 1, maximum });
    }
    expect(parameterSchema('filter')).toMatchObject({ maxLength: MAX_FILTER_BYTES });
  });

  it('contains exactly the close codes of the service with their causes', () => {
    const causes: Record<string, string[]> = {};
    for (const [cause, code] of CLOSINGS) (causes[code] ??= []).push(cause);
    expect(sortedCauses(asyncApi['x-close-codes'])).toEqual(sortedCauses(causes));
  });

  it('contains exactly the attributes of the container object', () => {
    const { properties = {} } = asyncApi.components.schemas['container']!;
    expect(Object.keys(properties)).toEqual(Object.keys(new ContainerDto()));
  });
});

describe('The schema of the container object', () => {
  const validate = new Ajv({ allowUnionTypes: true }).compile(asyncApi.components.schemas['container']!);

  it.each<[boolean, object]>([
    [true, { netns: 5 }],
    [
      true,
      { name: 'web', prefix: null, 'network-interfaces': ['eth0'], cluster: { uid: 'abc' }, future: [] },
    ],
    [true, { netns: 5, pid: 0, 'network-interfaces': null, cluster: null }],
    [true, { netns: 2 ** 53 - 1 }],
    [false, {}],
    [false, { netns: '5' }],
    [false, { netns: 1.5 }],
    [false, { netns: -1 }],
    [false, { netns: 2 ** 53 }],
    [false, { name: 5 }],
    [false, { netns: 5, 'network-interfaces': 'eth0' }],
    [false, { netns: 5, 'network-interfaces': [5] }],
    [false, { netns: 5, cluster: { uid: 5 } }],
    [false, { netns: 5, cluster: 'abc' }],
    ...Object.entries(asyncApi.components.schemas['container']!.properties ?? {}).flatMap(
      ([name, { type }]): [boolean, object][] =>
        Array.isArray(type) && type.includes('string')
          ? [
              [true, { netns: 5, [name]: 'x'.repeat(lengthLimit(name)) }],
              [false, { netns: 5, [name]: 'x'.repeat(lengthLimit(name) + 1) }],
            ]
          : [[false, { netns: 5, [name]: true }]],
    ),
  ])('accepts exactly what the service accepts: %s for %.80j', (valid, container) => {
    const parse = (): unknown => parseContainer(JSON.stringify(container));
    if (valid) expect(parse).not.toThrow();
    else expect(parse).toThrow();
    expect(validate(container)).toBe(valid);
  });

  function lengthLimit(attribute: string): number {
    const { properties = {} } = asyncApi.components.schemas['container']!;
    return (properties[attribute] as { maxLength: number }).maxLength;
  }
});

/** The routes of Nest's router, as `get /version`. */
function routesOf(app: INestApplication): string[] {
  const express = app.getHttpAdapter().getInstance() as {
    router: { stack: { route?: { path: string; methods: Record<string, boolean> } }[] };
  };
  const routes = express.router.stack.flatMap(({ route }) => route ?? []);
  return routes.flatMap(({ path, methods }) =>
    // A route for every method tells the allowed ones (405).
    Object.hasOwn(methods, 'trace')
      ? []
      : Object.keys(methods).map((method) => `${method} ${path.replace(/[:*](\w+)/g, '{$1}')}`),
  );
}

function parameterSchema(name: string): Schema | undefined {
  const reference = binding.query.properties?.[name]?.$ref ?? '';
  return asyncApi.components.schemas[reference.replace('#/components/schemas/', '')];
}

function sortedCauses(causes: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(causes).map(([code, all]) => [code, [...new Set(all)].sort()]));
}
