/**
 * Runs in every test file: an `afterAll` or `afterEach` that throws is reported and fails nothing, since what a test leaves
 * says nothing about the service. Two exceptions: failed expectations, because some files assert something after each test,
 * and hooks that are imported from `@jest/globals`, which unit tests do.
 */
for (const name of ['afterAll', 'afterEach']) {
  const original = globalThis[name];
  globalThis[name] = (hook, timeoutMs) => {
    if (hook.length > 0) throw new Error(`${name} with a callback is not supported: return a promise`);
    original(async () => {
      try {
        await hook();
      } catch (error) {
        if (isFailedExpectation(error)) throw error;
        process.stderr.write(
          `TEARDOWN: ${name} of ${globalThis.expect.getState().testPath}: ${error?.stack ?? error}\n`,
        );
      }
    }, timeoutMs);
  };
}

function isFailedExpectation(error) {
  return error !== null && typeof error === 'object' && 'matcherResult' in error;
}
