import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECT } from '../container/base-images.js';
import { run } from '../kit/run.js';
import { removeFolder } from '../kit/teardown.js';
import { removeMachines } from './machine.js';

/** Everything that the cluster writes on this host. One name for all runs: there is one cluster at a time. */
export const FOLDER = join(tmpdir(), 'packetflix-kubernetes');
/** The ID of the process whose cluster it is. */
const OWNER = join(FOLDER, 'owner');
/** What a kubelet changes on the whole host. */
const KERNEL_PARAMETERS = ['vm.overcommit_memory', 'kernel.panic', 'kernel.panic_on_oops'];
const SAVED_PARAMETERS = join(FOLDER, 'kernel-parameters');
const TYPESCRIPT = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning'];

/** Prepares this host for a cluster of this process. It is released when the process ends, even if it is killed. */
export async function claimHost(): Promise<void> {
  const owner = existsSync(OWNER) ? readFileSync(OWNER, 'utf8') : undefined;
  if (owner !== undefined && owner !== String(process.pid) && isTestRun(owner)) {
    throw new Error(`there is one cluster at a time, and process ${owner} has it`);
  }
  await removeCluster();
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(OWNER, String(process.pid));
  writeFileSync(SAVED_PARAMETERS, await run('sysctl', ...KERNEL_PARAMETERS));
  const resolver = ['--import', join(PROJECT, 'bench/resolve-typescript.mjs')];
  const program = join(import.meta.dirname, 'programs/release-host.ts');
  const args = [...TYPESCRIPT, ...resolver, program, String(process.pid)];
  // In a session of its own, Ctrl-C does not end it. Its standard input ends with this process.
  const child = spawn(process.execPath, args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // Neither keeps this process from ending.
  child.unref();
  (child.stdin as Socket).unref();
}

/** Removes all traces of the cluster of that process, or does nothing if another one has the host. */
export async function releaseHost(owner: number): Promise<void> {
  if (existsSync(OWNER) && readFileSync(OWNER, 'utf8') === String(owner)) await removeCluster();
}

async function removeCluster(): Promise<void> {
  await removeMachines();
  if (existsSync(SAVED_PARAMETERS)) {
    const assignments = readFileSync(SAVED_PARAMETERS, 'utf8').trim().split('\n');
    await run('sysctl', '-qw', ...assignments.map((line) => line.replaceAll(' ', '')));
  }
  await removeFolder(FOLDER);
}

/** Another process may have its ID by now. */
function isTestRun(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('jest');
  } catch {
    return false;
  }
}
