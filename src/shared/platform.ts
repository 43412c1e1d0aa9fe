/**
 * The oldest supported kernel. It is stated in the documentation and not checked here, because distributions port newer
 * features back: code that needs a newer one has a fallback, see test/engine/linux-floor.e2e-spec.ts.
 */
export const OLDEST_LINUX = '5.4';

/** As `engines` in package.json: older versions lack `shouldUpgradeCallback` of the HTTP server. */
const OLDEST_NODE = [
  { major: 22, minor: 21 },
  { major: 24, minor: 9 },
];

/** Constants and struct layouts of system calls are those of these two, see shared/linux and engine/ring. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64'];

/** The machine and the runtime, as Node.js reports them. */
export interface Platform {
  /** `process.versions.node` */
  readonly nodeVersion: string;
  /** `process.platform` */
  readonly system: string;
  /** `process.arch` */
  readonly architecture: string;
  /** `os.endianness()` */
  readonly byteOrder: 'LE' | 'BE';
}

/** Why the service cannot run here, as a sentence for users; undefined: it can. */
export function platformProblem({
  nodeVersion,
  system,
  architecture,
  byteOrder,
}: Platform): string | undefined {
  if (!isSupportedNode(nodeVersion)) {
    return (
      `Node.js ${nodeVersion} is not supported: version 22.21 or later of the 22 line, or 24.9 or later, is ` +
      'required. "npm start" installs one'
    );
  }
  if (system !== 'linux') return `this is ${system}, but the service needs Linux ${OLDEST_LINUX} or later`;
  if (byteOrder !== 'LE') return 'this machine is big-endian, but the service needs a little-endian one';
  if (!ARCHITECTURES.includes(architecture)) {
    return `this machine is of the architecture ${architecture}, but the service supports ${ARCHITECTURES.join(' and ')} only`;
  }
  return undefined;
}

function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const newest = OLDEST_NODE.at(-1)?.major ?? 0;
  return major > newest || OLDEST_NODE.some((oldest) => major === oldest.major && minor >= oldest.minor);
}
