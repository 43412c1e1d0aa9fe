// The binary of test/kubernetes/cluster: the programs of Kubernetes and Helm, compiled once per machine.
//
//     node scripts/setup/kubernetes.mjs       builds it, unless it is there, and prints its path
//
// It is kept outside the checkout. A build takes minutes on two cores and 3 GB of disk space for its cache, which is
// removed afterwards.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { outputOf, PROJECT, say } from './project.mjs';
import { SetupError } from './setup-error.mjs';

const SOURCE = join(PROJECT, 'test/kubernetes/cluster');
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'packetflix');
/** The version that the API server reports; it is set when real Kubernetes is linked. */
const VERSION = /k8s\.io\/kubernetes v(\S+)/.exec(readFileSync(join(SOURCE, 'go.mod'), 'utf8'))[1];
/** Without optimization and debugging information the compiler needs half of the time, and the programs are fast enough. */
const BUILD_OPTIONS = [
  '-gcflags=all=-N -l -dwarf=false',
  `-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v${VERSION}`,
];
/** A folder of this name belongs to the build by the process with that ID and start time. */
const BUILD_FOLDER = /^build-(\d+)-(\d+)$/;
const BINARY = /^kubernetes-[0-9a-f]{16}$/;

/** Where the binary of these sources is, or will be. */
export function kubernetesBinary() {
  const hash = createHash('sha256').update(BUILD_OPTIONS.join('\0'));
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(readFileSync(join(SOURCE, name)));
  return join(CACHE, `kubernetes-${hash.digest('hex').slice(0, 16)}`);
}

export function hasGo() {
  return outputOf('go', ['version']) !== undefined;
}

/** Begins to build in the background, unless another process does, with the lowest priority: other tests mostly wait, and are not disturbed. */
export function startKubernetesBuild() {
  if (existsSync(kubernetesBinary()) || !hasGo()) return;
  mkdirSync(CACHE, { recursive: true });
  if (removeAbandonedBuilds() !== undefined) return;
  const log = openSync(join(CACHE, 'build.log'), 'w');
  const program = ['--idle', '0', 'nice', '-n', '19', process.execPath, import.meta.filename];
  say(`compiling Kubernetes for its tests in the background, see ${CACHE}/build.log`);
  const child = spawn('chrt', program, { stdio: ['ignore', log, log] });
  // A missing chrt: the tests that need the binary build it themselves.
  child.on('error', () => undefined);
  child.unref();
}

/** Returns the path of the binary after building it or waiting for another process that does. */
export async function ensureKubernetesBinary() {
  const binary = kubernetesBinary();
  mkdirSync(CACHE, { recursive: true });
  for (let said = false; !existsSync(binary); said = true) {
    const builder = removeAbandonedBuilds();
    if (builder === undefined) {
      build(binary);
    } else {
      if (!said) say(`waiting for process ${builder}, which compiles Kubernetes for the tests`);
      await sleep(1000);
    }
  }
  return binary;
}

/** Returns the ID of a process that builds; removes what others have left that were killed meanwhile. */
function removeAbandonedBuilds() {
  for (const name of readdirSync(CACHE)) {
    const [, pid, startTime] = BUILD_FOLDER.exec(name) ?? [];
    if (pid === undefined) continue;
    if (startTimeOf(pid) === startTime) return pid;
    rmSync(join(CACHE, name), { recursive: true, force: true });
  }
  return undefined;
}

/** Field 22 of proc_pid_stat(5); undefined: there is no such process. Another one may have the same ID later. */
function startTimeOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ')[19];
  } catch {
    return undefined;
  }
}

function build(binary) {
  const folder = join(CACHE, `build-${process.pid}-${startTimeOf(process.pid)}`);
  mkdirSync(folder);
  try {
    say('compiling Kubernetes for its tests, which takes minutes and happens once per machine');
    const fresh = join(folder, 'kubernetes');
    const environment = { ...process.env, CGO_ENABLED: '0', GOCACHE: join(folder, 'cache') };
    // If this process is killed, so is the compiler.
    const args = ['--pdeathsig', 'KILL', 'go', 'build', ...BUILD_OPTIONS, '-o', fresh, '.'];
    const options = { cwd: SOURCE, env: environment, stdio: ['ignore', 2, 2] };
    if (spawnSync('setpriv', args, options).status !== 0) {
      throw new SetupError('Kubernetes cannot be compiled for its tests, see above');
    }
    for (const outdated of readdirSync(CACHE).filter((name) => BINARY.test(name)))
      rmSync(join(CACHE, outdated));
    renameSync(fresh, binary);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) console.log(await ensureKubernetesBinary());
