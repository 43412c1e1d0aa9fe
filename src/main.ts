// No compile cache of Node.js: whoever is first in /tmp, or the server where it is the same user, could leave code
// there that engines then run with their powers. It would save a tenth of a second at the start.
export {};

/** As in package.json, `engines`: older ones lack `shouldUpgradeCallback` of the HTTP server. */
const OLDEST_NODE = [
  { major: 22, minor: 21 },
  { major: 24, minor: 9 },
];

assertNodeVersion(process.versions.node);
await play(process.argv[2], process.argv.slice(3));

/**
 * Plays one role. Each is loaded only when it is played: native code stays out of the server, and Nest out of
 * the engines, which have the privileges.
 */
async function play(role: string | undefined, argv: string[]): Promise<void> {
  switch (role) {
    case 'server':
      return await (await import('./server/main.js')).runServer(argv);
    case 'engine':
      return await (await import('./engine/main.js')).runEngine(argv);
    case 'discoverer':
      return await (await import('./discoverer/main.js')).runDiscoverer(argv);
    case 'compile-filter':
      return await (await import('./engine/filter/compiler-main.js')).runCompiler();
    default:
      return await (await import('./supervisor/main.js')).runSupervisor(process.argv.slice(2));
  }
}

function assertNodeVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const newest = OLDEST_NODE.at(-1)?.major ?? 0;
  if (major > newest || OLDEST_NODE.some((oldest) => major === oldest.major && minor >= oldest.minor)) return;
  process.stderr.write(
    `packetflix: this is Node ${version}, but 22.21 or later of the 22 line, or 24.9 or later is needed; ` +
      '"npm start" brings one along\n',
  );
  process.exit(1);
}
