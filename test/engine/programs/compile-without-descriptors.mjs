// Uses up its descriptors, compiles filters, frees the descriptors, and compiles filters again. Prints one line per filter.
import { closeSync, openSync } from 'node:fs';
import { FilterCompiler } from '../../../dist/engine/filter/filter-compiler.js';

const ETHERNET = 1;
const FILTERS = 6;
/* global AbortController */
const compiler = new FilterCompiler();

const descriptors = [];
try {
  for (;;) descriptors.push(openSync('/dev/null'));
} catch {
  // EMFILE
}
await compileAll('tcp port');
// Some are enough for a part of the pipes.
for (const descriptor of descriptors.splice(0, 3)) closeSync(descriptor);
await compileAll('sctp port');
for (const descriptor of descriptors) closeSync(descriptor);
await compileAll('udp port');
process.exit(0);

async function compileAll(filter) {
  for (let number = 1; number <= FILTERS; number++) {
    const result = compiler
      .compile(`${filter} ${number}`, ETHERNET, 'client', new AbortController().signal)
      .then(
        () => 'compiled',
        (error) => error.message,
      );
    process.stdout.write(`${await result}\n`);
  }
}
