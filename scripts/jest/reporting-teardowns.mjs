/**
 * Runs in every test file. If a system call fails in an `afterAll` or `afterEach` hook, such as the removal of a folder that
 * is still in use (EBUSY), the error is reported and no test fails, because a failed cleanup says nothing about the service.
 * All other errors fail the test, since some files check the service after each test. Hooks imported from `@jest/globals`, as
 * in unit tests, are not covered.
 */
for (const name of ['afterAll', 'afterEach']) {
  const original = globalThis[name];
  globalThis[name] = (hook, timeoutMs) => {
    if (hook.length > 0) throw new Error(`${name} with a callback is not supported: return a promise`);
    original(async () => {
      try {
        await hook();
      } catch (error) {
        if (typeof error?.syscall !== 'string') throw error;
        process.stderr.write(
          `TEARDOWN: ${name} of ${globalThis.expect.getState().testPath}: ${error.stack ?? error}\n`,
        );
      }
    }, timeoutMs);
  };
}
