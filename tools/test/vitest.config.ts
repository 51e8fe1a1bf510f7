import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests import the packages' sources (condition `@gateskip/source`), so no build is needed before a test run. */
export default defineConfig({
  resolve: { conditions: ['@gateskip/source'] },
  ssr: { resolve: { conditions: ['@gateskip/source'], externalConditions: ['@gateskip/source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // Vitest leaves one processor alone, which on two would run file after file.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
