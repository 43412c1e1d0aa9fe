const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  setupFiles: ['reflect-metadata'],
  setupFilesAfterEnv: ['<rootDir>/scripts/jest/reporting-teardowns.mjs'],
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: 'tsconfig.test.json' }] },
};

/** What takes minutes: `npm run test:slow` runs it, and nothing else. */
const slow = {
  ...shared,
  displayName: 'slow',
  testMatch: ['<rootDir>/test/**/*.slow-spec.ts'],
  globalSetup: '<rootDir>/scripts/jest/ensure-build.mjs',
};

export default {
  // The service takes a second to start, but ten on a machine that is busy with other things.
  testTimeout: 60_000,
  // One run for both; the reporter names what was skipped.
  globalSetup: '<rootDir>/scripts/jest/before-run.mjs',
  globalTeardown: '<rootDir>/scripts/jest/after-run.mjs',
  testSequencer: '<rootDir>/scripts/jest/sequencer.mjs',
  reporters: ['default', '<rootDir>/scripts/jest/skipped-reporter.mjs'],
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/src/**/*.spec.ts', '<rootDir>/test/unit/**/*.spec.ts'],
    },
    {
      ...shared,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'],
      globalSetup: '<rootDir>/scripts/jest/ensure-build.mjs',
    },
    {
      ...shared,
      displayName: 'timing',
      testMatch: ['<rootDir>/test/**/*.timing-spec.ts'],
      globalSetup: '<rootDir>/scripts/jest/ensure-build.mjs',
    },
    {
      ...shared,
      displayName: 'kubernetes',
      testMatch: ['<rootDir>/test/**/*.kubernetes-spec.ts'],
      globalSetup: '<rootDir>/scripts/jest/before-kubernetes.mjs',
    },
    ...(process.env.PACKETFLIX_SLOW_TESTS ? [slow] : []),
  ],
};
