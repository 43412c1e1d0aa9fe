import { dirname, relative, resolve, sep } from 'node:path';
import { PROJECT } from '../setup/project.mjs';

/** Folders of src/ whose code runs in a separate process; that of console/ is the browser. */
const PROCESSES = ['server', 'engine', 'discoverer', 'supervisor', 'cli', 'console'];
/** The only folder that calls native code. */
const NATIVE = 'src/shared/linux';

/**
 * An ESLint rule that restricts imports between folders. The code of the server must never import native code, even
 * indirectly, and the code of each process imports only itself and `shared/`. src/main.ts and src/index.ts may import
 * everything in src/.
 */
export const importBoundaries = {
  meta: { type: 'problem', schema: [], messages: { forbidden: '{{reason}}' } },
  create(context) {
    const file = relative(PROJECT, context.filename).split(sep).join('/');
    const check = (node) => {
      const specifier = node.source?.value;
      if (typeof specifier !== 'string') return;
      const reason = whyForbidden(file, specifier);
      if (reason !== undefined) context.report({ node, messageId: 'forbidden', data: { reason } });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      // `type Name = import('./file.js').Name`
      TSImportType: check,
    };
  },
};

/** @returns the error message, or undefined if the import is allowed */
function whyForbidden(file, specifier) {
  if (!file.startsWith('src/')) return undefined;
  if (!specifier.startsWith('.')) {
    const isNative = specifier === 'koffi' || specifier.startsWith('koffi/');
    return isNative && !isIn(file, NATIVE) ? `koffi may be imported in ${NATIVE}/ only` : undefined;
  }
  const imported = relative(PROJECT, resolve(PROJECT, dirname(file), specifier))
    .split(sep)
    .join('/');
  if (!isIn(imported, 'src')) {
    const isTest = file.endsWith('.spec.ts');
    return isTest ? undefined : 'files in src/ may import files in src/ only';
  }
  const [from, to] = [folderOf(file), folderOf(imported)];
  if (from === undefined) return undefined;
  if (isIn(imported, NATIVE) && from === 'server') {
    return `the server process has no native code: it must not import ${NATIVE}/`;
  }
  if (isIn(imported, NATIVE) && from === 'shared' && !isIn(file, NATIVE)) {
    return `the server imports shared/: only ${NATIVE}/ itself and the other processes may import ${NATIVE}/`;
  }
  if (to === from || to === 'shared') return undefined;
  if (from === 'shared') return 'shared/ must not import the code of a process';
  return PROCESSES.includes(from) ? `${from}/ may import itself and shared/ only` : undefined;
}

/** `server` for src/server/main.ts, undefined for src/main.ts. */
function folderOf(path) {
  const [, folder, ...rest] = path.split('/');
  return rest.length > 0 ? folder : undefined;
}

function isIn(path, folder) {
  return path === folder || path.startsWith(`${folder}/`);
}
