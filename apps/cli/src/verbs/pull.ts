import { bytes, seconds } from '../output/format.js';
import type { Output } from '../output/output.js';
import { resolveWithProgress } from '../session/open-source.js';

/** Fetches a model into the cache, or says where it already is. */
export async function pull(reference: string, options: { readonly offline?: boolean }, output: Output): Promise<void> {
  const startedMs = performance.now();
  const resolved = await resolveWithProgress(reference, options.offline, output);
  const elapsedMs = performance.now() - startedMs;
  await output.print(`${resolved.path}\n`);
  output.note(`${reference}: ${bytes(resolved.sizeBytes)} from ${resolved.source}, ${seconds(elapsedMs)}`);
  await output.document({ ...resolved, elapsedMs });
}
