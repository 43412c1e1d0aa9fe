// npm run build: rebuilds dist/.
import { build } from './setup/build.mjs';
import { SetupError } from './setup/setup-error.mjs';

try {
  build();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exit(1);
}
