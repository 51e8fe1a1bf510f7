/** Bundles a program of the tests with the packages' sources, so that it runs in a process of its own without a build. */
export default {
  entry: { 'source-process': './test/support/source-process.ts' },
  format: ['esm' as const],
  target: 'node20',
  platform: 'node' as const,
  silent: true,
  noExternal: [/^@gateskip\//],
  esbuildOptions(options: { conditions?: string[] }): void {
    options.conditions = ['@gateskip/source'];
  },
};
