/**
 * Executes a command under a seccomp filter that answers like an older kernel.
 * Usage: node as-older-kernel.mjs linux-5.4|linux-5.10|old-seccomp-profile COMMAND...
 *
 * System calls from 424 on have the same number on every architecture, in the order in which they were added, so that one
 * comparison covers all newer calls.
 */
import { Buffer } from 'node:buffer';
import { setSystemCallFilter } from '../../../dist/shared/linux/libc.js';

const [LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_ANY_BIT, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06];
/** Offsets in struct seccomp_data: number of the call, and the low word of its third argument. */
const [CALL_NUMBER, THIRD_ARGUMENT] = [0, 32];
const ALLOW = 0x7fff_0000;
const fail = (errno) => 0x0005_0000 | errno;
const [EPERM, EINVAL, ENOSYS] = [1, 22, 38];

const CLOSE_RANGE = 436; // Linux 5.9; the first call that is newer than Linux 5.4: 435 is clone3 of Linux 5.3
const CLOSE_RANGE_CLOEXEC = 4; // Linux 5.11
const EPOLL_PWAIT2 = 441; // Linux 5.11
/** Numbers from here on are those of the x32 ABI. */
const X32 = 0x4000_0000;

const FILTERS = {
  'linux-5.4': [
    [LOAD_WORD, CALL_NUMBER],
    [JUMP_IF_AT_LEAST, X32, 2, 0],
    [JUMP_IF_AT_LEAST, CLOSE_RANGE, 0, 1],
    [RETURN, fail(ENOSYS)],
    [RETURN, ALLOW],
  ],
  'linux-5.10': [
    [LOAD_WORD, CALL_NUMBER],
    [JUMP_IF_AT_LEAST, X32, 5, 0],
    [JUMP_IF_AT_LEAST, EPOLL_PWAIT2, 5, 0],
    [JUMP_IF_EQUAL, CLOSE_RANGE, 0, 3],
    [LOAD_WORD, THIRD_ARGUMENT],
    [JUMP_IF_ANY_BIT, CLOSE_RANGE_CLOEXEC, 0, 1],
    [RETURN, fail(EINVAL)],
    [RETURN, ALLOW],
    [RETURN, fail(ENOSYS)],
  ],
  // Profiles of Docker before 20.10 answer EPERM to unknown calls.
  'old-seccomp-profile': [
    [LOAD_WORD, CALL_NUMBER],
    [JUMP_IF_AT_LEAST, X32, 2, 0],
    [JUMP_IF_EQUAL, CLOSE_RANGE, 0, 1],
    [RETURN, fail(EPERM)],
    [RETURN, ALLOW],
  ],
};

const [kernel, command, ...args] = process.argv.slice(2);
setSystemCallFilter(Buffer.concat(FILTERS[kernel].map(instruction)));
process.execve(command, [command, ...args], process.env);

function instruction([operation, operand, ifTrue = 0, ifFalse = 0]) {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(operation, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}
