#!/bin/sh
# sh scripts/run.sh PURPOSE COMMAND...: installs what is missing for that purpose, then runs the command in the folder of the
# project, with its own Node.js first in PATH. `exec`, so that signals to npm reach the command. Standard output is the
# command's alone: `npm run --silent capture -- -w -` writes packets to it.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
purpose=$1
shift
node scripts/setup.mjs "$purpose"
exec "$@"
