import { rmSync } from 'node:fs';

/** Runs after all tests and removes the folder that before-run.mjs has made. */
export default function afterRun() {
  rmSync(process.env.PACKETFLIX_TEST_RUN, { recursive: true, force: true });
}
