import { NotCachedError, UsageError } from '../errors.js';
import { exitCodes } from '../exit-codes.js';
import { bytes } from '../output/format.js';
import type { Output } from '../output/output.js';
import { table } from '../output/table.js';
import { sourceProgress } from '../session/open-source.js';

export interface ModelsOptions {
  readonly remove?: string;
  readonly check?: boolean;
}

/** Lists the cache and the short names, or removes from the cache. */
export async function models(options: ModelsOptions, output: Output): Promise<number> {
  if (options.remove !== undefined && options.check)
    throw new UsageError('--remove and --check are two different things.', 'Give one of them.', { what: '--check' });
  const { cacheFolder, listCachedModels, removeCachedModel, shortNames } = await import('@gateskip/model');
  const { env } = output.io;
  if (options.remove !== undefined) {
    const removed = await removeCachedModel(options.remove, { env, signal: output.signal });
    if (removed === 0) throw new NotCachedError(options.remove);
    output.note(`Removed ${options.remove}.`);
    await output.document({ removed });
    return exitCodes.ok;
  }
  const cached = await listCachedModels({
    env,
    signal: output.signal,
    onProgress: sourceProgress(output),
    ...(options.check && { check: true }),
  });
  const cacheDir = await cacheFolder(env);
  const references = new Set(cached.filter(({ damaged }) => damaged === undefined).map(({ reference }) => reference));
  const names = [...shortNames].map(([name, { references: from, pinned, license }]) => ({
    name,
    sizeBytes: pinned.sizeBytes,
    license,
    references: from,
    cached: from.some((reference) => references.has(reference)),
  }));
  const rows = cached.map(({ id, reference, sizeBytes, damaged }) => [reference ?? id, bytes(sizeBytes), damaged ?? 'ok']);
  await output.print(
    rows.length === 0 ? `Nothing is cached in ${cacheDir}.\n` : `In ${cacheDir}:\n${table(['model', 'size', 'state'], rows, [1])}`,
  );
  await output.print(
    `\n${table(
      ['short name', 'size', 'licence', 'cached'],
      names.map(({ name, sizeBytes, license, cached: has }) => [name, bytes(sizeBytes), license, has ? 'yes' : 'no']),
      [1],
    )}`,
  );
  await output.document({ cacheDir, models: cached, shortNames: names });
  // A download that was never completed is no damage: only a check finds that.
  return options.check && cached.some(({ damaged, reference }) => damaged !== undefined && reference !== undefined)
    ? exitCodes.environment
    : exitCodes.ok;
}
