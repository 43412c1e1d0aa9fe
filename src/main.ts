// The compile cache of Node.js is not used, although it would save a tenth of a second: another user who creates its
// directory in /tmp first, or the server if it runs as the same user, could store code there that engines execute with
// their privileges.
export {};

/** As in package.json, `engines`: earlier versions lack `shouldUpgradeCallback` of the HTTP server. */
const OLDEST_NODE = [
  { major: 22, minor: 21 },
  { major: 24, minor: 9 },
];

assertNodeVersion(process.versions.node);
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
    `packetflix: Node.js ${version} is not supported: version 22.21 or later of the 22 line, or 24.9 or later, is ` +
      'required. "npm start" installs one\n',
  );
  process.exit(1);
}
