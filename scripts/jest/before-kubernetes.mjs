import { ensureKubernetesBinary, hasGo } from '../setup/kubernetes.mjs';
import ensureBuild from './ensure-build.mjs';

/** Runs before the tests with a real Kubernetes, which are skipped where Go is missing. */
export default async function beforeKubernetes() {
  ensureBuild();
  if (hasGo()) process.env.PACKETFLIX_KUBERNETES = await ensureKubernetesBinary();
}
