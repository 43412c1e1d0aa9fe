#!/bin/sh
# sh scripts/run.sh PURPOSE COMMAND...: installs what is missing for that purpose, then runs the command in the folder of the
# project, with the project's Node.js first in PATH. It uses `exec` so that signals to npm reach the command. It writes
# nothing to standard output, to which `npm run --silent capture -- -w -` writes packets.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
purpose=$1
shift
node scripts/setup.mjs "$purpose"
exec "$@"
