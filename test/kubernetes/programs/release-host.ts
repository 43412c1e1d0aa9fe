// Waits until the test run with this process ID has ended, in whatever way, and removes what is left of its cluster.
import { releaseHost } from '../host.js';

const owner = Number(process.argv[2]);
process.stdin.resume().on('end', () => void releaseHost(owner));
