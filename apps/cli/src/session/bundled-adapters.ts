import { existsSync } from 'node:fs';

/** What a data package with gates exports. */
interface AdapterPackage {
  readonly adapterPath: string;
  readonly modelFingerprint: string;
  readonly modelName: string;
}

/** Gates that come with the command line; a new data package is one line here. */
const adapterPackages: readonly (() => Promise<AdapterPackage>)[] = [() => import('@gateskip/adapter-smollm2-135m-instruct')];

/** Path of the bundled gate file for a model; undefined where none fits, or where its package is not installed whole. */
export async function bundledAdapterPath(fingerprint: string): Promise<string | undefined> {
  for (const bring of adapterPackages) {
    const found = await bring().catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
      throw error;
    });
    if (found?.modelFingerprint === fingerprint && existsSync(found.adapterPath)) return found.adapterPath;
  }
  return undefined;
}
