/**
 * Runs in every test file: an `afterAll` or `afterEach` in which a system call fails, such as the removal of a folder that is
 * still in use (EBUSY), is reported and fails nothing: what a test leaves says nothing about the service. All other errors fail
 * the test, since some files check the service after each test. Hooks that are imported from `@jest/globals`, as in unit
 * tests, are not covered.
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
