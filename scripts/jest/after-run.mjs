import { rmSync } from 'node:fs';

/** After the last test: removes what before-run.mjs has made. */
export default function afterRun() {
  rmSync(process.env.PACKETFLIX_TEST_RUN, { recursive: true, force: true });
}
