import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { OPTION_TABLE } from '../../src/shared/config/option-table.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';

const PROJECT = resolve(import.meta.dirname, '../..');
const OPTIONS = read('docs/options.md');
const DOCUMENTS = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...readdirSync(join(PROJECT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('docs/options.md', () => {
  it('says of each option what --help says', () => {
    const help = parseCommandLine(['--help'], {});
    if (help.kind !== 'help') throw new Error(`not the help: ${help.kind}`);
    const text = help.text.replace(/\s+/g, ' ');
    for (const { flag, short, value, variable, description } of OPTION_TABLE) {
      const syntax = `${short === undefined ? '' : `${short}, `}${flag}${value === undefined ? '' : ` <${value}>`}`;
      expect(text).toContain(`${syntax} ${description} (${variable}`);
      expect(OPTIONS).toContain(description);
    }
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [
      ...DOCUMENTS.map(read)
        .join('\n')
        .matchAll(/\bnpm run (?:--silent )?([a-z]+(?::[a-z0-9]+)*)/g),
    ];
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter(([, script]) => !(script! in scripts)).map(([text]) => text)).toEqual([]);
  });
});

describe('The documents', () => {
  it.each(DOCUMENTS)('%s names only sources and tests that are there', (document) => {
    const paths = [...read(document).matchAll(/`((?:src|test)\/[\w./-]+\.ts)`/g)].map(([, path]) => path!);
    expect(paths.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([]);
  });

  it.each(DOCUMENTS)('%s links only to what is there', (document) => {
    const links = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
    const broken = links.filter((link) => !link.includes('://') && !isThere(document, link));
    expect(broken).toEqual([]);
  });

  it.each(DOCUMENTS)('%s names only paths of this project that there are', (document) => {
    const paths = [
      ...read(document).matchAll(
        /(?<![\w./-])((?:\.ci|bench|docker|docs|scripts|src|test)\/[\w./-]*\w\/?)(?![\w*{<$])/g,
      ),
    ].map(([, path]) => path!);
    expect(paths.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([]);
  });
});

function read(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

/** A file or folder and, behind `#`, a heading of it. */
function isThere(document: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : join(dirname(document), path);
  if (!existsSync(join(PROJECT, target))) return false;
  return anchor === undefined || anchorsOf(read(target)).includes(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}
