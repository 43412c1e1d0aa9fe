#!/bin/sh
# npm test: sees to what is missing, then runs the whole suite. With PACKETFLIX_TEST_REPORT=FILE it leaves the
# results there as JSON. One test file after the other: end-to-end tests measure time and share the machine.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
node scripts/setup.mjs test
if [ -n "${PACKETFLIX_TEST_REPORT:-}" ]; then
  set -- --json --outputFile="$PACKETFLIX_TEST_REPORT" "$@"
fi
exec node --experimental-vm-modules node_modules/jest/bin/jest.js --runInBand "$@"
