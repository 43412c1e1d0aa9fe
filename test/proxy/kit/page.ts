import type { RequestListener } from 'node:http';

const PAGE = `<!doctype html>
<html>
  <head>
    <base href="./">
    <link rel="stylesheet" href="assets/style.css">
    <script src="./assets/app.js?v=1"></script>
  </head>
  <body><img src="assets/a%20picture.svg"></body>
</html>`;

const FILES: Readonly<Record<string, readonly [type: string, content: string]>> = {
  '/': ['text/html', PAGE],
  '/assets/style.css': ['text/css', 'body { color: teal }'],
  '/assets/app.js?v=1': ['text/javascript', 'fetch("json")'],
  '/assets/a%20picture.svg': ['image/svg+xml', '<svg/>'],
  '/json': ['application/json', '{}'],
};

/** A small web page with assets and relative links, like that of GhostWire. */
export const servePage: RequestListener = ({ url = '', headers }, response) => {
  const file = FILES[url];
  if (!file) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': file[0], 'x-buttons': headers['enable-monolith'] });
  response.end(file[1]);
};

/** Loads the page and its assets as a browser does; returns the assets by their links. */
export async function loadPage(
  url: string,
  get: (url: string) => Promise<{ status: number; body: string }>,
): Promise<Record<string, string>> {
  const page = await get(url);
  if (page.status !== 200) throw new Error(`${url} answers with ${page.status}`);
  const [, base = ''] = /<base href="([^"]*)"/.exec(page.body) ?? [];
  const links = [...page.body.matchAll(/ (?:src|href)="([^"]*[^/"])"/g)].map(([, link = '']) => link);
  const assets: Record<string, string> = {};
  for (const link of [...links, 'json']) {
    const asset = await get(new URL(link, new URL(base, url)).href);
    if (asset.status !== 200) throw new Error(`${link} of ${url} answers with ${asset.status}`);
    assets[link] = asset.body;
  }
  return assets;
}

/** The assets of the page, by their links. */
export const ASSETS = {
  'assets/style.css': 'body { color: teal }',
  './assets/app.js?v=1': 'fetch("json")',
  'assets/a%20picture.svg': '<svg/>',
  json: '{}',
};
