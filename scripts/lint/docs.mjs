// node scripts/lint/docs.mjs: reports paths, links and npm scripts in the Markdown documents that do not exist.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROJECT, readProjectJson } from '../setup/project.mjs';

const DOCUMENTS = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...readdirSync(join(PROJECT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
/** Documents that may refer to scripts of earlier versions. */
const HISTORY = ['CHANGELOG.md'];
const PATH =
  /(?<![\w./-])((?:\.ci|bench|docker|docs|kubernetes|scripts|src|test|tools)\/[\w./-]*\w\/?)(?![\w*{<$])/g;
const LINK = /\]\(([^)\s]+)\)/g;
const NPM_SCRIPT = /\bnpm run (?:--silent )?([a-z]+(?::[a-z0-9]+)*)/g;

const { scripts } = readProjectJson('package.json');
const problems = DOCUMENTS.flatMap((document) => {
  const text = read(document);
  const captured = (pattern) => [...text.matchAll(pattern)].map(([, match]) => match);
  return [
    ...captured(PATH)
      .filter((path) => !existsSync(join(PROJECT, path)))
      .map((path) => `${path} does not exist`),
    ...captured(LINK)
      .filter((link) => !link.includes('://') && !exists(document, link))
      .map((link) => `the target of the link ${link} does not exist`),
    ...captured(NPM_SCRIPT)
      .filter((name) => !(name in scripts) && !HISTORY.includes(document))
      .map((name) => `there is no npm script "${name}"`),
  ].map((problem) => `${document}: ${problem}`);
});
const architecture = 'docs/architecture.md';
const tree = /## The tree[^]*?```\n([^]*?)```/.exec(read(architecture))?.[1] ?? '';
const missing = pathsOfTree(tree).filter((path) => !existsSync(join(PROJECT, path)));
problems.push(...missing.map((path) => `${architecture}: ${path} in its tree does not exist`));
if (tree === '') problems.push(`${architecture}: it has no tree`);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

function read(path) {
  return readFileSync(join(PROJECT, path), 'utf8');
}

/**
 * Returns the paths of the tree: it has two spaces of indentation per level and may have several names, separated by commas,
 * on a line. Files named in the text after them are in the same folder or in the named one.
 */
function pathsOfTree(text) {
  const folders = [];
  const isMissing = (path) => !existsSync(join(PROJECT, path));
  return text.split('\n').flatMap((line) => {
    const [, indentation, names, rest = ''] = /^( *)([^\s,]+(?:, [^\s,]+)*)(.*)$/.exec(line) ?? [];
    if (names === undefined) return [];
    const parents = folders.slice(0, indentation.length / 2);
    const beside = (name) => join(...parents, name);
    folders.splice(parents.length, Infinity, names);
    const named = [...rest.matchAll(/[\w.-]+(?:\.ts\b|\/(?=\s))/g)].map(([name]) =>
      isMissing(beside(name)) ? join(...folders, name) : beside(name),
    );
    return [...names.split(', ').map(beside), ...named];
  });
}

/** Whether a link refers to an existing file or folder and, after `#`, to one of its headings. */
function exists(document, link) {
  const [path, anchor] = link.split('#');
  const target = path === '' ? document : join(dirname(document), path);
  if (!existsSync(join(PROJECT, target))) return false;
  return anchor === undefined || anchorsOf(read(target)).includes(anchor);
}

/** The anchors that GitHub generates for headings. */
function anchorsOf(markdown) {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}
