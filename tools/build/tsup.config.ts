import { readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';

interface Manifest {
  readonly exports?: Record<string, { readonly '@gateskip/source'?: string; readonly default?: string }>;
  readonly bin?: Record<string, string>;
}

/** `./dist/conformance/index.js` -> `conformance/index`, which is also its path under `src`. */
function entryName(builtPath: string): string {
  return builtPath.replace(/^\.\/dist\//, '').replace(/\.js$/, '');
}

/** Entries are what package.json publishes: every export with a source, and every program in `bin`. */
function publishedEntries(manifest: Manifest): Record<string, string> {
  const entries: Record<string, string> = {};
  for (const target of Object.values(manifest.exports ?? {})) {
    const source = target['@gateskip/source'];
    if (source && target.default) entries[entryName(target.default)] = source;
  }
  for (const program of Object.values(manifest.bin ?? {})) entries[entryName(program)] = `./src/${entryName(program)}.ts`;
  return entries;
}

/**
 * Every library builds alike: one ESM module per published entry, everything in node_modules stays outside, shared code in chunks.
 * `hidden` names entries that are loaded by path and not exported, such as worker threads. Declarations come from tsc (`types`).
 */
export function libraryConfig(hidden: Record<string, string> = {}) {
  return defineConfig({
    entry: { ...publishedEntries(JSON.parse(readFileSync('package.json', 'utf8')) as Manifest), ...hidden },
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    sourcemap: true,
    // The declarations in dist belong to the `types` task.
    clean: ['!**/*.d.ts'],
    dts: false,
    splitting: true,
    silent: true,
  });
}

export default libraryConfig();
