#!/bin/sh
# npm start: installs what is missing, then becomes the service. It uses `exec`, so that signals to npm reach the service.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
node scripts/setup.mjs start
exec node dist/main.js "$@"
