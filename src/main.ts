import { endianness } from 'node:os';
import { platformProblem } from './shared/platform.js';

// The compile cache of Node.js is not used, although it would save a tenth of a second: another user who creates its
// directory in /tmp first, or the server if it runs as the same user, could store code there that engines execute with
// their privileges.

const problem = platformProblem({
  nodeVersion: process.versions.node,
  system: process.platform,
  architecture: process.arch,
  byteOrder: endianness(),
});
if (problem !== undefined) {
  process.stderr.write(`packetflix: ${problem}\n`);
  process.exit(1);
}
await runRole(process.argv[2], process.argv.slice(3));

/**
 * Each process loads only the code of its own role: no native code in the server, and no Nest in the privileged
 * processes.
 */
async function runRole(role: string | undefined, argv: string[]): Promise<void> {
  switch (role) {
    case 'server':
      return await (await import('./server/main.js')).runServer(argv);
    case 'engine':
      return await (await import('./engine/main.js')).runEngine(argv);
    case 'discoverer':
      return await (await import('./discoverer/main.js')).runDiscoverer(argv);
    case 'compile-filter':
      return (await import('./engine/filter/compiler-main.js')).runCompiler();
    default:
      return await (await import('./supervisor/main.js')).runSupervisor(process.argv.slice(2));
  }
}
