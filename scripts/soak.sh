#!/bin/sh
# npm run soak: installs what is missing, then loads the service for a long time. Node runs the TypeScript directly.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
node scripts/setup.mjs soak
exec node --experimental-transform-types --disable-warning=ExperimentalWarning \
  --import ./bench/resolve-typescript.mjs bench/soak/main.ts "$@"
