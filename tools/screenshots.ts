// npm run screenshots: writes the pictures of docs/console.md from the real page: a service, containers of a Docker daemon of its
// own, and Chromium. As root; what it starts, it ends.
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Browser, type Page } from 'playwright-core';
import { ContainerRuntime } from '../test/kit/container-runtimes.js';
import type { NetworkNamespace } from '../test/kit/namespace.js';
import { PROJECT, Service } from '../test/kit/service.js';

const CHROMIUM = '/usr/bin/chromium';
const SIZE = { width: 1280, height: 800 };

/** Name, Compose project, and label `app`. */
const CONTAINERS = [
  ['shop-web-1', 'shop', 'web'],
  ['shop-web-2', 'shop', 'web'],
  ['shop-db-1', 'shop', 'db'],
  ['monitoring-prometheus-1', 'monitoring', 'prometheus'],
  ['monitoring-grafana-1', 'monitoring', 'grafana'],
] as const;

/** Requests of a client, in a container. */
const TRAFFIC = `
  for i in $(seq 120); do
    busybox wget -q -O /dev/null http://127.0.0.1:8080/README.md
    busybox ping -c 1 127.0.0.1 > /dev/null
    echo query > /dev/udp/127.0.0.1/5300
    sleep 0.3
  done`;

async function main(): Promise<void> {
  await using docker = await ContainerRuntime.docker();
  await using service = await Service.start(['--node-name', 'host-1']);
  for (const [name, project, app] of CONTAINERS) {
    await docker.start(name, '--label', `com.docker.compose.project=${project}`, '--label', `app=${app}`);
  }
  const namespace: NetworkNamespace = await docker.wiredNamespaceOf('shop-web-1');
  await namespace.setUp('lo');
  await using children = new AsyncDisposableStack();
  children.use(await namespace.start('busybox', 'httpd', '-f', '-p', '127.0.0.1:8080', '-h', PROJECT));
  children.use(await namespace.start('bash', '-c', TRAFFIC));

  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
  try {
    const targets = await open(browser, service, 'light');
    await targets.getByLabel('Group by').selectOption('project');
    await targets.getByRole('checkbox', { name: 'shop-web-1', exact: true }).check();
    await targets.getByLabel('Capture filter').fill('tcp port 8080 or icmp');
    await targets.getByText('The filter is valid.').waitFor();
    await save(targets, 'console-targets');

    const watch = await open(browser, service, 'dark');
    await watch.getByRole('checkbox', { name: 'shop-web-1', exact: true }).check();
    await watch.getByRole('button', { name: 'Watch here' }).click();
    await watch.getByRole('button', { name: /Load Wireshark/ }).click();
    await watch.getByText('Dissected by Wireshark').waitFor({ timeout: 60_000 });
    const request = watch.getByRole('row').filter({ hasText: 'GET /README.md' }).first();
    await request.click({ timeout: 60_000 });
    await watch.getByRole('treeitem').filter({ hasText: 'Hypertext Transfer Protocol' }).first().click();
    await save(watch, 'console-watch');
  } finally {
    await browser.close();
  }
}

async function open(browser: Browser, service: Service, colorScheme: 'light' | 'dark'): Promise<Page> {
  const page = await browser.newPage({ viewport: SIZE, colorScheme });
  await page.goto(service.url('/console/'));
  await page.getByText(/^Live/).waitFor();
  return page;
}

async function save(page: Page, name: string): Promise<void> {
  await sleep(6_000); // marks of what has just joined disappear, and the pictures of the traffic get some seconds
  await page.screenshot({ path: `${PROJECT}docs/${name}.png` });
}

await main();
