// Makes attempts of an attacker in control of the server. Becomes the user of the server and prints the outcome of each
// attempt as JSON: the name of the error, or "succeeded".
//
//     as-the-server.mjs UID GID ENGINE_PID SECRET_FILE CODE_FILE
import { Buffer } from 'node:buffer';
import { closeSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';

const [uid, gid, engine, secretFile, codeFile] = process.argv.slice(2);
const libc = koffi.load(null);
const setns = libc.func('int setns(int fd, int nstype)');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const ptrace = libc.func('long ptrace(long request, int pid, void *address, void *data)');
const mount = libc.func('int mount(str source, str target, str type, ulong flags, str data)');
const readMemory = libc.func(
  'intptr_t process_vm_readv(int pid, void *local, ulong locals, void *remote, ulong remotes, ulong flags)',
);

// From <linux/sched.h>, <sys/socket.h>, <linux/if_packet.h>, <sys/ptrace.h>, <sys/mount.h>.
const CLONE_NEWNET = 0x40000000;
const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const IPPROTO_ICMP = 1;
const PTRACE_ATTACH = 16;
const MS_BIND = 4096;

// The code is loaded before the change of user, because that user may be unable to enter its directory.
process.setgroups([]);
process.setgid(Number(gid));
process.setuid(Number(uid));

const call = (result) => {
  if (Number(result) >= 0) return;
  const errno = koffi.errno(); // before anything else can change it
  throw Object.assign(new Error(), { code: getSystemErrorMap().get(-errno)?.[0] });
};
// A struct iovec for eight bytes. The kernel checks the permission before the address.
const eightBytes = Buffer.from(new BigUint64Array([0x10000n, 8n]).buffer);

const attempts = {
  'enter a network namespace': () => call(setns(openSync('/proc/self/ns/net', 'r'), CLONE_NEWNET)),
  'open the network namespace of an engine': () => openSync(`/proc/${engine}/ns/net`, 'r'),
  'capture packets': () => call(socket(AF_PACKET, SOCK_RAW, 0x300)),
  'send raw packets': () => call(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)),
  'trace an engine': () => call(ptrace(PTRACE_ATTACH, Number(engine), null, null)),
  'open the memory of an engine': () => closeSync(openSync(`/proc/${engine}/mem`, 'r+')),
  'read the memory of an engine': () => call(readMemory(Number(engine), eightBytes, 1, eightBytes, 1, 0)),
  'read the environment of an engine': () => readFileSync(`/proc/${engine}/environ`),
  'see the files of an engine': () => readlinkSync(`/proc/${engine}/fd/0`),
  'see the files of the first process': () => readlinkSync('/proc/1/root'),
  'read a file of root': () => readFileSync(secretFile),
  'change the code': () => closeSync(openSync(codeFile, 'r+')),
  'change the kernel': () => writeFileSync('/proc/sys/kernel/core_pattern', '|/tmp/evil'),
  mount: () => call(mount('/etc', '/mnt', null, MS_BIND, null)),
  'become root': () => process.setuid(0),
  'become root by its group': () => process.setgid(0),
};

const outcomes = {};
for (const [what, attempt] of Object.entries(attempts)) {
  // Rarely, the error number is one that Node.js has caused on this thread before it was read.
  do outcomes[what] = outcomeOf(attempt);
  while (outcomes[what] === 'EAGAIN');
}
process.stdout.write(JSON.stringify({ outcomes, status: readFileSync('/proc/self/status', 'utf8') }));

function outcomeOf(attempt) {
  try {
    attempt();
    return 'succeeded';
  } catch (error) {
    return error.code ?? String(error);
  }
}
