import * as fc from 'fast-check';
import { CLOSE_DISCOVERY_FAILED, CLOSE_INVALID_REQUEST } from '../kit/close-codes.js';
import { CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS } from '../kit/close-codes.js';

/** A request that must be refused. */
export interface BadRequest {
  /** The kind of the fault, for statistics and error messages. */
  readonly fault: string;
  /** The query as sent, which may be encoded incorrectly. */
  readonly query: string;
  /** Each character of a value is one byte, as Node sends them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Permitted close codes; a number below 1000 is the HTTP status of a refused handshake. */
  readonly codes: readonly number[];
}

/** Names that are invalid for interfaces or have a special meaning to libpcap. */
const FORBIDDEN_NAMES = [
  'TCP@192.0.2.1:2002',
  'rpcap:',
  'nflog',
  'nflog:5',
  'nfqueue',
  'usbmon0',
  'dbus-system',
]
  .concat([
    'bluetooth0',
    '.',
    '..',
    '-i',
    '0',
    '4711',
    'a:b',
    'a b',
    'tab\there',
    'nul\0',
    'name-of-16-bytes',
  ])
  .concat(['größer-als-15-b', ' ', '\u{7f}']);

const MAX_FILTER_BYTES = 4096;
/** The limit of the HTTP server for all headers. */
const MAX_HEADER_BYTES = 256 * 1024;

/** Arbitrary names and values of untrusted clients. */
const text = fc.string({ unit: 'binary', maxLength: 80 });
const json = fc.json({ maxDepth: 4 });
const wellFormed = (value: string) => value.toWellFormed();

/** @param netns inode of an existing namespace */
export function badRequest(netns: number): fc.Arbitrary<BadRequest> {
  return fc.oneof(
    { arbitrary: badNetns(), weight: 40 },
    { arbitrary: badJson(), weight: 30 },
    { arbitrary: badAttribute(netns), weight: 60 },
    { arbitrary: noTarget(), weight: 30 },
    { arbitrary: badInterfaces(netns), weight: 40 },
    { arbitrary: badFilter(netns), weight: 20 },
    { arbitrary: staleProcess(netns), weight: 20 },
    { arbitrary: unknownTarget(), weight: 30 },
    { arbitrary: hugeContainer(netns), weight: 3 },
    { arbitrary: hugeHeaders(netns), weight: 2 },
    { arbitrary: missingTarget(netns), weight: 10 },
  );
}

/** Only bad requests of the maximum size. */
export function hugeRequest(netns: number): fc.Arbitrary<BadRequest> {
  return fc.oneof(hugeContainer(netns), hugeHeaders(netns));
}

function badNetns(): fc.Arbitrary<BadRequest> {
  const value = fc.oneof(
    text.filter((each) => !/^\d+$/.test(each)),
    fc.constantFrom(
      '',
      '0',
      '00',
      '-1',
      '+1',
      ' 1',
      '1 ',
      '1e3',
      '0x1',
      '1.0',
      '١',
      'NaN',
      'Infinity',
      'null',
    ),
    fc.bigInt({ min: 2n ** 53n }).map(String),
  );
  return value.map((each) => bad('netns', { netns: each }));
}

function badJson(): fc.Arbitrary<BadRequest> {
  const notAnObject = json.filter((each) => !/^\s*\{/.test(each));
  const notJson = fc.oneof(
    text.filter((each) => !isJson(each)),
    json.map((each) => `${each.slice(0, -1)}\u{1}`),
    fc.constantFrom('', '{', "{'netns':1}", '{"netns":1,}', '{"netns":0x1}', '{"netns":NaN}', '\u{feff}{}'),
  );
  return inEither('container', fc.oneof(notAnObject, notJson));
}

function badAttribute(netns: number): fc.Arbitrary<BadRequest> {
  const notANumber = fc.oneof(
    fc.constantFrom<unknown>('1', '', true, false, [], [1], {}, -1, 0.5, 2 ** 53, 1e300, -0.1),
    text,
    fc.double({ noInteger: true, noNaN: true, noDefaultInfinity: true }),
    fc.integer({ max: -1 }),
  );
  const notText = fc.constantFrom<unknown>(
    0,
    1,
    true,
    false,
    [],
    ['a'],
    {},
    { toString: 'x' },
    'x'.repeat(5_000),
  );
  const notAList = fc.oneof(
    fc.constantFrom<unknown>('eth0', 1, true, {}, { length: 1 }),
    fc.array(fc.constantFrom<unknown>(null, 1, {}, [], true), { minLength: 1, maxLength: 5 }),
  );
  const notACluster = fc.constantFrom<unknown>('kind', 1, true, [], { uid: 1 }, { context: [] }, { uid: {} });
  const attribute = fc.oneof(
    fc.tuple(fc.constantFrom('netns', 'pid', 'starttime', 'captureport'), notANumber),
    fc.tuple(fc.constantFrom('name', 'prefix', 'type', 'node-name', 'capture-service'), notText),
    fc.tuple(fc.constant('network-interfaces'), notAList),
    fc.tuple(fc.constant('cluster'), notACluster),
  );
  const container = attribute.map(([name, value]) => JSON.stringify({ netns, name: 'web', [name]: value }));
  return inEither('container', container);
}

function noTarget(): fc.Arbitrary<BadRequest> {
  const empty = fc.record({ netns: fc.constantFrom(0, null), name: fc.constantFrom('', null), type: text });
  return fc.oneof(
    fc.constantFrom(bad('nothing', {}), bad('nothing', { nif: 'lo', filter: 'tcp', chaste: '' })),
    fc
      .dictionary(fc.constantFrom('nif', 'filter', 'chaste', 'NETNS', 'Container', '__proto__'), text)
      .map((parameters) => bad('nothing', parameters)),
    inEither(
      'container',
      empty.map((each) => JSON.stringify(each)),
    ),
    fc.nat().map((each) => bad('both', { netns: String(each), container: `{"netns":${each}}` })),
    // Queries with invalid encoding.
    fc
      .array(fc.constantFrom('%', '%zz', '%00', '%ff', '&', '=', '&&', '?', 'netns', '%u0031', ';', '[]'))
      .map((pieces) => ({
        fault: 'query',
        query: pieces.join(''),
        headers: {},
        codes: [CLOSE_INVALID_REQUEST],
      })),
  );
}

function badInterfaces(netns: number): fc.Arbitrary<BadRequest> {
  const badName = fc.oneof(
    fc.constantFrom(...FORBIDDEN_NAMES),
    fc.string({ unit: 'grapheme', minLength: 16, maxLength: 80 }).map((each) => each.replaceAll('/', '_')),
  );
  const names = fc.tuple(fc.array(fc.constantFrom('lo', 'first0', 'all', ''), { maxLength: 3 }), badName);
  const list = names.map(([good, forbidden]) => [...good, forbidden]);
  return fc.oneof(
    list.map((each) => badIn('query', 'nif', { netns: String(netns), nif: each.join('/') })),
    list
      .filter((each) => isHeaderValue(each.join('/')))
      .map((each) => badIn('header', 'nif', { netns: String(netns), nif: each.join('/') })),
    list.map((each) =>
      badIn('query', 'network-interfaces', {
        container: JSON.stringify({ netns, 'network-interfaces': each }),
      }),
    ),
  );
}

function badFilter(netns: number): fc.Arbitrary<BadRequest> {
  const long = fc.nat({ max: 2_000 }).map((more) => 'x'.repeat(MAX_FILTER_BYTES + 1 + more));
  const withZero = fc.tuple(text, text).map((parts) => parts.join('\0'));
  return fc.oneof(
    {
      arbitrary: fc.oneof(long, withZero).map((filter) => bad('filter', { netns: String(netns), filter })),
      weight: 9,
    },
    {
      // Only a few, because each is compiled by a separate process.
      arbitrary: fc
        .constantFrom('tcp port', '((', 'nonsense', 'port 99999', 'ip[', '\n', 'tcp &&', '; rm -rf', '%s%n')
        .map((filter) => bad('filter', { netns: String(netns), filter: `${filter} and` })),
      weight: 1,
    },
  );
}

function staleProcess(netns: number): fc.Arbitrary<BadRequest> {
  const process = fc.record({
    pid: fc.integer({ min: 2 ** 22 + 1, max: Number.MAX_SAFE_INTEGER }),
    starttime: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  });
  const container = process.map((each) => JSON.stringify({ netns, ...each }));
  return inEither('container', container, 'process', CLOSE_STALE_OR_AMBIGUOUS);
}

/** Refused as not found, or, when GhostWire does not answer, because of that. */
function unknownTarget(): fc.Arbitrary<BadRequest> {
  const target = fc.record(
    { name: fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), prefix: text, type: text },
    { requiredKeys: ['name'] },
  );
  return inEither(
    'container',
    target.map((each) => JSON.stringify(each)),
    'name',
    CLOSE_NOT_FOUND,
    CLOSE_DISCOVERY_FAILED,
  );
}

/** Almost as much as the header limit allows. */
function hugeContainer(netns: number): fc.Arbitrary<BadRequest> {
  const bytes = fc.integer({ min: 100_000, max: 200_000 });
  const container = fc.oneof(
    bytes.map((count) => '['.repeat(count)),
    bytes.map((count) => `{"netns":${'{"a":'.repeat(count / 5)}`),
    bytes.map((count) => `{"netns":-1,"deep":${'['.repeat(count / 2)}${']'.repeat(count / 2)}}`),
    bytes.map((count) => `{"netns":${netns},"netns":"${'x'.repeat(count)}"}`),
    bytes.map((count) => `{"netns":${netns},"name":"${'x'.repeat(count)}"}`),
    bytes.map((count) => `{"netns":${'9'.repeat(count)}}`),
    bytes.map((count) => JSON.stringify({ netns, 'network-interfaces': ['x'.repeat(count)] })),
  );
  return container.map((each) => badIn('header', 'container', { container: each }));
}

function hugeHeaders(netns: number): fc.Arbitrary<BadRequest> {
  return fc
    .tuple(fc.constantFrom('nif', 'filter', 'chaste', 'container'), fc.nat({ max: 100_000 }))
    .map(([name, more]) => ({
      ...badIn('header', 'headers', { netns: String(netns), [name]: 'x'.repeat(MAX_HEADER_BYTES + more) }),
      codes: [431],
    }));
}

/** Valid requests for namespaces or interfaces that do not exist. */
function missingTarget(netns: number): fc.Arbitrary<BadRequest> {
  const name = fc.nat().map((each) => `no${each}`);
  return fc.oneof(
    fc
      .integer({ min: 1, max: 1_000_000 })
      .map((each) => bad('namespace', { netns: String(each) }, CLOSE_NOT_FOUND)),
    fc
      .array(name, { minLength: 1, maxLength: 50 })
      .map((each) => bad('interface', { netns: String(netns), nif: each.join('/') }, CLOSE_NOT_FOUND)),
  );
}

type Parameters = Readonly<Record<string, string>>;

/** A bad request with the value in a header, if it is a valid header value, or in the query. */
function inEither(
  name: string,
  value: fc.Arbitrary<string>,
  fault = name,
  ...codes: number[]
): fc.Arbitrary<BadRequest> {
  return fc.tuple(value, fc.boolean()).map(([each, preferHeader]) => {
    const where = preferHeader && isHeaderValue(each) ? 'header' : 'query';
    return badIn(where, fault, { [name]: each }, ...codes);
  });
}

function bad(fault: string, parameters: Parameters, ...codes: number[]): BadRequest {
  return badIn('query', fault, parameters, ...codes);
}

function badIn(
  where: 'query' | 'header',
  fault: string,
  parameters: Parameters,
  ...codes: number[]
): BadRequest {
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(parameters)) {
    // There is no header for `netns`.
    if (where === 'query' || name === 'netns') query.set(name, wellFormed(value));
    else headers[`Clustershark-${name}`] = Buffer.from(value).toString('latin1');
  }
  return {
    fault,
    query: query.toString(),
    headers,
    codes: codes.length > 0 ? codes : [CLOSE_INVALID_REQUEST],
  };
}

/** Whether Node can send the value as a header without trimming it. */
function isHeaderValue(value: string): boolean {
  const bytes = Buffer.from(value).toString('latin1');
  // See RFC 9110, section 5.5.
  return !/[^\t\x20-\x7e\x80-\xff]/.test(bytes) && bytes.trim() === bytes && value !== '';
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value.toWellFormed());
    return true;
  } catch {
    return false;
  }
}
