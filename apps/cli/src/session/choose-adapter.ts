import type { GateAdapter, Model } from '@gateskip/model';
import { NoAdapterError, UsageError } from '../errors.js';

export interface AdapterRequest {
  /** `--adapter`: a file, `none`, or undefined for the bundled one. */
  readonly adapter?: string | undefined;
  readonly allowOtherWeights?: boolean | undefined;
  /** What asks for gates, in words; undefined where the command can do without. */
  readonly needed?: string | undefined;
  /** Whether the bundled gates are looked for; a given file is always read. */
  readonly wanted: boolean;
}

export interface ChosenAdapter {
  readonly adapter: GateAdapter;
  readonly origin: 'file' | 'bundled';
}

/**
 * The gates of `--adapter`, or the bundled ones that were made for this very model.
 *
 * @throws AdapterInvalidError, AdapterMismatchError, NoAdapterError, UsageError
 */
export async function chooseAdapter(model: Model, reference: string, request: AdapterRequest): Promise<ChosenAdapter | undefined> {
  const { adapter: path, allowOtherWeights = false, needed, wanted } = request;
  const none = (why: string): NoAdapterError => new NoAdapterError(needed ?? 'This', reference, model.config.name, model.fingerprint, why);
  if (path === 'none') {
    if (needed) throw none('--adapter none leaves them out');
    return undefined;
  }
  if (path === '') throw new UsageError('--adapter is empty.', 'Name a gate file, or none.', { what: '--adapter' });
  if (path === undefined && !wanted) return undefined;
  const { readAdapter, assertAdapterFits } = await import('@gateskip/model');
  if (path !== undefined) {
    const adapter = await readAdapter(path);
    assertAdapterFits(adapter, model, { allowOtherWeights });
    return { adapter, origin: 'file' };
  }
  const { bundledAdapterPath } = await import('./bundled-adapters.js');
  const bundled = await bundledAdapterPath(model.fingerprint);
  if (bundled !== undefined) return { adapter: await readAdapter(bundled), origin: 'bundled' };
  if (needed) throw none('no bundled one fits');
  return undefined;
}
