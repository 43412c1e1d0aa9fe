import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { serviceForAllTests } from '../kit/service.js';

interface Operation {
  readonly responses: Record<string, { content?: Record<string, { schema: object }> }>;
}

interface OpenApi {
  readonly paths: Record<string, { get?: Operation }>;
  readonly components: object;
}

const { paths, components } = JSON.parse(
  readFileSync(new URL('../../docs/api/openapi.json', import.meta.url), 'utf8'),
) as OpenApi;
const readable = Object.entries(paths).flatMap(([path, { get }]) => (get ? [{ path, get }] : []));

describe('The responses of the service conform to docs/api/openapi.json', () => {
  const service = serviceForAllTests(['--local-discovery']);

  it.each(readable)('at $path', async ({ path, get }) => {
    const url = service.current.url(path.replaceAll(/[{}]/g, ''));
    const response = await fetch(url, { redirect: 'manual' });
    expect(Object.keys(get.responses)).toContain(String(response.status));
    const content = get.responses[response.status]?.content;
    const contentType = response.headers.get('content-type') ?? 'none';
    const body: unknown = await (contentType.startsWith('application/json')
      ? response.json()
      : response.text());
    if (!content) return;
    expect(Object.keys(content)).toContain(contentType);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const schema = { ...content[contentType]?.schema, components };
    expect(ajv.validate(schema, body) || ajv.errorsText()).toBe(true);
  });
});
