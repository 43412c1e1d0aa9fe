#!/bin/sh
# npm run capture: installs what is missing, then becomes the capture command. Writes nothing to standard output itself.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
node scripts/setup.mjs capture
exec node dist/cli/main.js "$@"
