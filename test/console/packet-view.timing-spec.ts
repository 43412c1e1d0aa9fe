import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeInBrowser } from '../kit/browser.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark, tsharkFields } from '../kit/second-opinion.js';
import { serviceForAllTests } from '../kit/service.js';
import { WatchedCapture } from './watched-capture.js';

const DISSECTOR = new URL('../../dist/console/dissector/wiregasm.js', import.meta.url).pathname;
const PINGS = 5;

async function pingedNamespace(): Promise<NetworkNamespace> {
  const namespace = await NetworkNamespace.create();
  await namespace.setUp('lo');
  return namespace;
}

/** Of a worker, whose types tests do not have. */
interface BrowserWorker {
  readonly location: { readonly href: string };
  readonly XMLHttpRequest: new () => {
    open(method: string, url: string, isAsync: boolean): void;
    send(): void;
  };
  readonly WebSocket: new (url: URL) => { onopen: unknown; onerror: unknown };
  readonly importScripts: (url: string) => void;
}

/** Sends an HTTP request with the path that is its argument, to itself. */
const REQUEST_PROGRAM = `
  const net = require('net');
  const server = net.createServer((socket) => socket.resume().on('end', () => process.exit()));
  server.listen(80, '127.0.0.1', () =>
    net.connect(80, '127.0.0.1').end('GET ' + process.argv[1] + ' HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'),
  );
`;

/** Makes the dissectors trap, as WebAssembly does that has gone wrong, when they check this display filter. */
const CRASH_ON_DEMAND = `
  const load = loadWiregasm;
  loadWiregasm = async (options) => {
    const wiregasm = await load(options);
    const { checkFilter } = wiregasm;
    wiregasm.checkFilter = (filter) => {
      if (filter === 'crash') throw new WebAssembly.RuntimeError('unreachable');
      return checkFilter(filter);
    };
    return wiregasm;
  };
`;

/** Records the states of the display filter in `filterClasses`. */
const RECORD_FILTER_CLASSES = `
  globalThis.filterClasses = [];
  const input = document.querySelector('.watch-filter input');
  new MutationObserver(() => filterClasses.push(input.className)).observe(input, { attributeFilter: ['class'] });
`;

interface Widths {
  readonly scrollWidth: number;
  readonly clientWidth: number;
}

/** An expression: tests do not have the types of a page. */
const BODY_WIDTHS = `({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth })`;

async function ping(namespace: NetworkNamespace, count = PINGS): Promise<void> {
  await namespace.exec('busybox', 'ping', '-c', String(count), '-i', '0.1', '127.0.0.1');
}

describeAsRoot('A capture', () =>
  describeInBrowser('in the browser', () => {
    const service = serviceForAllTests();

    const open = (
      namespace: NetworkNamespace,
      ...rest: [options?: Parameters<typeof WatchedCapture.open>[2]]
    ) => WatchedCapture.open(service.current, namespace, ...rest);

    it('shows packets as Wireshark does, narrows them by a display filter, and saves them', async () => {
      expect(existsSync(DISSECTOR)).toBe(true);
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.capturing();
      await watched.loadDissectors();
      await ping(namespace);

      const request = watched.rows('Echo (ping) request').first();
      await request.waitFor();
      const cells = await request.getByRole('gridcell').allInnerTexts();
      expect(cells.slice(2, 7)).toEqual(['lo', '127.0.0.1', '127.0.0.1', 'ICMP', '98']);
      await eventually('all packets', async () => (await watched.counter('Captured')) === 2 * PINGS);
      // The reply is known as soon as both have been dissected.
      await watched.rows('Echo (ping) request', '(reply in 2)').waitFor();

      await request.click();
      await watched.field('Internet Control Message Protocol').click();
      await watched.field('Type: 8 (Echo (ping) request)').click();
      expect(await watched.view.locator('mark').allInnerTexts()).toEqual(['08', '·']);

      await watched.filter.fill('icmp.type == 8');
      await eventually('the list to be narrowed', async () => (await watched.counter('Displayed')) === PINGS);
      await eventually('no reply', async () => (await watched.rows('Echo (ping) reply').count()) === 0);
      expect(await watched.rows('Echo (ping) request').count()).toBe(PINGS);

      await watched.filter.fill('icmp.nonsense == 8');
      await watched.view.getByText('"icmp.nonsense" is not a valid protocol or protocol field.').waitFor();
      expect(await watched.rows('Echo (ping) request').count()).toBe(PINGS);

      await watched.filter.fill('');
      await eventually('all rows', async () => (await watched.rows('ICMP').count()) === 2 * PINGS);
      const { name, content } = await watched.save();
      expect(name).toMatch(/^[\w-]+-[\dT-]+\.pcapng$/);
      expect((await readWithWireshark(content)).packets).toBe(2 * PINGS);
      const fields = await tsharkFields(content, 'frame.interface_name', 'icmp.type');
      expect(fields[0]).toEqual(['lo', '8']);
    });

    it('numbers packets through when older ones have left the window', async () => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('w0', 'w1');
      await using watched = await open(namespace);
      await watched.capturing();
      await watched.loadDissectors();
      const filler = { interface: 'w0', sizes: [60], ratePerSecond: 20_000 };
      await sendPackets(namespace, { ...filler, count: 12_000 });
      await namespace.setUp('lo');
      // The wire has each packet twice.
      await eventually('the packets', async () => (await watched.counter('Captured')) >= 24_000);
      const passed = await watched.counter('Captured');
      await ping(namespace, 1);
      await watched.rows(String(passed + 1), `(reply in ${passed + 2})`).waitFor();
      expect(await watched.counter('Kept')).toBe(10_000);
      await watched.rows(`(request in ${passed + 1})`).click();
      await watched.field(`Frame ${passed + 2}: 98 bytes`).waitFor();
      await watched.field('Internet Control Message Protocol').click();
      await watched.field(`Request frame: ${passed + 1}`).waitFor();
    });

    it('shows the headers without dissectors, and says that they are not installed', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace, {
        prepare: (page) => page.route('**/dissector/*.gz', (route) => route.fulfill({ status: 404 })),
      });
      await watched.capturing();
      await ping(namespace);
      const request = watched.rows('Echo request').first();
      await request.waitFor();
      const cells = await request.getByRole('gridcell').allInnerTexts();
      expect(cells).toEqual(['1', '0.000000', 'lo', '127.0.0.1', '127.0.0.1', 'ICMP', '98', 'Echo request']);
      await watched.button(/Load Wireshark/).click();
      await watched.view.getByText('dissectors are not installed').waitFor();
      watched.expectProblems(/404/);
      expect(await watched.filter.isDisabled()).toBe(true);
      await request.click();
      expect(await watched.view.locator('.watch-dump').innerText()).toMatch(/^0000 {2}00 00 00 00 .*45 00/);
    });

    it('goes on with headers when the dissectors fail, and loads them again', async () => {
      await using namespace = await pingedNamespace();
      let script = 'throw new Error("broken");';
      await using watched = await open(namespace, {
        prepare: (page) =>
          page.route('**/wiregasm.js', (route) =>
            route.fulfill({ contentType: 'text/javascript', body: script }),
          ),
      });
      await watched.capturing();
      await ping(namespace);
      await watched.button(/Load Wireshark/).click();
      await watched.view.getByText('dissectors have failed').waitFor();
      await watched.rows('Echo request').first().waitFor();
      script = readFileSync(DISSECTOR, 'utf8') + CRASH_ON_DEMAND;
      await watched.button('Load the dissectors again').click();
      await watched.rows('Echo (ping) request').first().waitFor();
      await watched.filter.fill('crash');
      await watched.view.getByText('dissectors have failed').waitFor();
      await watched.rows('Echo request').first().waitFor();
      await watched.button('Load the dissectors again').click();
      await watched.rows('Echo (ping) request').first().waitFor();
      await watched.button('Headers only').click();
      await watched.rows('Echo request').first().waitFor();
    });

    it('shows nothing of the dissectors any more when they are switched off', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.capturing();
      await watched.loadDissectors();
      await ping(namespace, 1);
      await watched.rows('Echo (ping) request').click();
      await watched.field('Internet Control Message Protocol').click();
      await watched.button(/^icmp$/).waitFor();
      await watched.button('Headers only').click();
      await watched.view.getByText('dissectors show all fields here').waitFor();
      expect(await watched.field('').count()).toBe(0);
      expect(await watched.button(/^icmp$/).count()).toBe(0);
    });

    it('shows a display filter as valid only when it has been checked', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.loadDissectors();
      await watched.page.evaluate(RECORD_FILTER_CLASSES);
      await watched.filter.fill('nonsense');
      await watched.view.locator('.watch-filter-invalid').waitFor();
      await watched.filter.fill('icmp');
      await watched.view.locator('.watch-filter-valid').waitFor();
      await watched.filter.fill('');
      await watched.view.locator('.watch-filter-empty').waitFor();
      expect(await watched.page.evaluate<string[]>('filterClasses')).toEqual(
        ['checking', 'invalid', 'checking', 'valid', 'empty'].map((state) => `watch-filter-${state}`),
      );
    });

    it('remembers that the dissectors are wanted', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.loadDissectors();
      await watched.reopen();
      await watched.dissecting();
    });

    it('pauses, goes on, clears and stops', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.capturing();
      await ping(namespace, 1);
      await watched.rows('Echo reply').waitFor();
      await watched.button('Pause').click();
      await ping(namespace, 2);
      await eventually('packets to be counted', async () => (await watched.counter('Captured')) === 6);
      expect(await watched.rows('Echo').count()).toBe(2);
      expect((await readWithWireshark((await watched.save()).content)).packets).toBe(2);
      await watched.button('Pause').click();
      await eventually('the list to go on', async () => (await watched.rows('Echo').count()) === 6);
      await watched.button('Clear').click();
      await eventually('an empty list', async () => (await watched.rows('Echo').count()) === 0);
      await ping(namespace, 1);
      await watched.rows('Echo reply').waitFor();
      expect(await watched.rows('Echo reply').getByRole('gridcell').first().innerText()).toBe('8');
      await watched.button('Stop').click();
      await watched.view.getByRole('status').filter({ hasText: 'You stopped the capture.' }).waitFor();
    });

    it.each(['headers', 'dissectors'])('keeps its place when one scrolls up, with %s', async (kind) => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('w0', 'w1');
      await using watched = await open(namespace);
      await watched.capturing();
      if (kind === 'dissectors') await watched.loadDissectors();
      // Each packet passes both ends.
      await sendPackets(namespace, { interface: 'w0', count: 5_500, ratePerSecond: 10_000 });
      await watched.rows('11000').waitFor();
      await watched.view.getByRole('grid').hover();
      await watched.page.mouse.wheel(0, -20_000);
      await eventually('following to end', () => watched.isPressed('Follow', false));
      const top = await watched.topRow();
      expect(Number(top[0])).toBeLessThan(11_000 - 500);
      await sendPackets(namespace, { interface: 'w0', count: 2_000, ratePerSecond: 2_000 });
      await eventually('the packets', async () => (await watched.counter('Captured')) === 15_000);
      // The packets that have left the window since then were above.
      await sleep(1_000);
      expect(await watched.topRow()).toEqual(top);
      await watched.button('Follow').click();
      await watched.rows('15000').waitFor();
    });

    it('lets the dissectors reach nothing', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.loadDissectors();
      const [worker] = watched.page.workers();
      expect(worker?.url()).toMatch(/\/console\/dissector\/dissector-worker-[\w-]{8}\.js$/);
      const attempts = await worker!.evaluate(async () => {
        const outcomeOf = (attempt: () => unknown) =>
          Promise.resolve()
            .then(attempt)
            .then(
              () => 'reached',
              () => 'refused',
            );
        const { location, XMLHttpRequest, WebSocket, importScripts } = globalThis as unknown as BrowserWorker;
        return Promise.all([
          outcomeOf(() => fetch(new URL('/version', location.href))),
          outcomeOf(() => {
            const request = new XMLHttpRequest();
            request.open('GET', '/version', false);
            request.send();
          }),
          outcomeOf(
            () =>
              new Promise((resolve, reject) => {
                const socket = new WebSocket(new URL('/capture', location.href));
                socket.onopen = resolve;
                socket.onerror = reject;
              }),
          ),
          outcomeOf(() => importScripts('https://scripts.example/script.js')),
          outcomeOf(() => importScripts('data:text/javascript,0')),
        ]);
      });
      expect(attempts).toEqual(new Array(5).fill('refused'));
      watched.expectProblems(/Content Security Policy/);
    });

    it('writes what hostile packets contain as text', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.capturing();
      await watched.loadDissectors();
      const markup = '<img src=x onerror=alert(1)><script>alert(2)</script>';
      const path = `/${markup}\u202e\u0007${'x'.repeat(60_000)}`;
      await namespace.exec(process.execPath, '-e', REQUEST_PROGRAM, path);
      const row = watched.rows('HTTP', markup).first();
      await row.waitFor();
      await row.click();
      await watched.field('Hypertext Transfer Protocol').click();
      await watched.field(markup).first().waitFor();
      expect(await watched.view.locator('img, script').count()).toBe(0);
      const sizes = await watched.page.evaluate<Widths>(BODY_WIDTHS);
      expect(sizes.scrollWidth).toBeLessThanOrEqual(sizes.clientWidth);
      expect((await row.boundingBox())?.height).toBe(22);
    });

    it('counts packets, bytes and drops of each interface', async () => {
      await using namespace = await pingedNamespace();
      await namespace.addWire('w0', 'w1');
      await using watched = await open(namespace);
      await watched.capturing();
      await sendPackets(namespace, { interface: 'w0', count: 20, sizes: [100] });
      await ping(namespace, 1);
      await eventually('all packets', async () => (await watched.counter('Captured')) === 42);
      await watched.button('Statistics').click();
      const table = watched.view.getByRole('table');
      const lines = await Promise.all(
        (await table.getByRole('row').all()).map(async (row) => (await row.innerText()).split('\t')),
      );
      expect(lines[0]).toEqual(['Interface', 'Packets', 'Bytes', 'Dropped']);
      expect(lines.slice(1).sort()).toEqual([
        ['lo', '2', '196 B', '0'],
        ['w0', '20', '2.00 kB', '0'],
        ['w1', '20', '2.00 kB', '0'],
      ]);
      expect(await watched.counter('Dropped')).toBe(0);
      // The picture has complete seconds.
      await watched.view
        .getByRole('img', {
          name: /^Packets per second over the last minute: .* now, [1-9]\d* packets\/s at most$/,
        })
        .waitFor();
    });

    it('says why there is no capture', async () => {
      const namespace = await pingedNamespace();
      await using watched = await open(namespace, { beforeStart: () => namespace[Symbol.asyncDispose]() });
      await watched.view.getByRole('status').filter({ hasText: 'There is nothing to capture: ' }).waitFor();
    });

    it('is used with the keyboard alone', async () => {
      await using namespace = await pingedNamespace();
      await using watched = await open(namespace);
      await watched.loadDissectors();
      await ping(namespace);
      await watched.rows('Echo (ping) reply').first().waitFor();
      const { keyboard } = watched.page;
      await watched.view.getByRole('grid').focus();
      await keyboard.press('Home');
      await keyboard.press('ArrowDown');
      await watched.rows('Echo (ping) reply').and(watched.view.locator('[aria-selected=true]')).waitFor();
      await keyboard.press('Enter');
      await watched.view.getByRole('separator').waitFor();
      // The dissectors fill the tree a moment later.
      await watched.field('Internet Control Message Protocol').waitFor();
      await keyboard.press('Tab');
      await keyboard.press('Tab');
      await keyboard.press('End');
      await keyboard.press('ArrowRight');
      await watched.field('Type: 0 (Echo (ping) reply)').waitFor();
      await keyboard.press('ArrowLeft');
      await eventually(
        'the protocol to be closed',
        async () => (await watched.field('Type: 0').count()) === 0,
      );
      await keyboard.press('Escape');
      await eventually('closed details', async () => (await watched.view.getByRole('tree').count()) === 0);
      await watched.view.locator('[role=grid]:focus').waitFor();
      await keyboard.press('Escape');
      await watched.capturing();
    });

    it.each(['light', 'dark'] as const)(
      'has no serious accessibility violation in %s colours',
      async (colorScheme) => {
        await using namespace = await pingedNamespace();
        await using watched = await open(namespace, { context: { colorScheme } });
        await watched.capturing();
        await ping(namespace, 2);
        await watched.rows('Echo reply').first().waitFor();
        expect(await watched.accessibilityProblems()).toEqual([]);
        await watched.loadDissectors();
        // A connection that is refused has Wireshark's striking colours.
        await namespace.exec('sh', '-c', 'busybox nc 127.0.0.1 81 || true');
        await watched.rows('[RST, ACK]').waitFor();
        await watched.rows('Echo (ping) reply').first().click();
        await watched.field('Internet Control Message Protocol').click();
        await watched.button('Statistics').click();
        await watched.filter.fill('nonsense');
        await watched.view.getByText('"nonsense" is not a valid protocol').waitFor();
        expect(await watched.accessibilityProblems()).toEqual([]);
      },
    );

    it('writes hostile names of interfaces as text', async () => {
      await using namespace = await NetworkNamespace.create();
      const name = '<b>\u202eab';
      await namespace.addWire(name, 'w1');
      await using watched = await open(namespace);
      await watched.capturing();
      await sendPackets(namespace, { interface: name, count: 1 });
      const interfaceCell = watched.rows('UDP', 'ab').first().getByRole('gridcell').nth(2);
      expect(await interfaceCell.innerText()).toBe('<b>\\u{202e}ab');
    });
  }),
);
