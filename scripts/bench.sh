#!/bin/sh
# npm run bench: installs what is missing, then measures. Node runs the benchmark's TypeScript directly.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
node scripts/setup.mjs bench
exec node --experimental-transform-types --disable-warning=ExperimentalWarning \
  --import ./bench/resolve-typescript.mjs bench/main.ts "$@"
