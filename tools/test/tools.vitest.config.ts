import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: dirname(dirname(fileURLToPath(import.meta.url))),
  test: { include: ['*/test/**/*.test.mjs'], testTimeout: 180_000, pool: 'forks' },
});
