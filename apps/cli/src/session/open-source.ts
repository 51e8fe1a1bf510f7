import { hostname } from 'node:os';
import type { Model, ResolvedModel, SourceProgress } from '@gateskip/model';
import { type Output, withoutControls } from '../output/output.js';

const phaseWords: Readonly<Record<SourceProgress['phase'], string>> = {
  resolve: 'Looking for',
  wait: 'Waiting for another download',
  download: 'Downloading',
  unpack: 'Unpacking',
  verify: 'Checking',
};

/** Shows what a source does. */
export function sourceProgress(output: Output): (progress: SourceProgress) => void {
  return (progress) => output.progress.report(describeProgress(progress), progress.done, progress.total, 'bytes');
}

function describeProgress({ phase, what = 'the model', holder }: SourceProgress): string {
  if (phase !== 'wait') return `${phaseWords[phase]} ${what}`;
  const elsewhere = holder && holder.host !== hostname() ? ` on ${withoutControls(holder.host)}` : '';
  return `${phaseWords.wait}${holder ? ` (pid ${holder.pid}${elsewhere})` : ''} of ${what}`;
}

/** Finds a model, fetching it where it must be, with progress. */
export async function resolveWithProgress(reference: string, offline: boolean | undefined, output: Output): Promise<ResolvedModel> {
  const { resolveModel } = await import('@gateskip/model');
  return resolveModel(reference, {
    env: output.io.env,
    signal: output.signal,
    onProgress: sourceProgress(output),
    ...(offline && { offline }),
  });
}

/** Finds and opens a model. Close it. */
export async function openSource(
  reference: string,
  offline: boolean | undefined,
  output: Output,
): Promise<{ readonly resolved: ResolvedModel; readonly model: Model }> {
  const resolved = await resolveWithProgress(reference, offline, output);
  const { openModel } = await import('@gateskip/model');
  const model = await openModel(resolved.path, { signal: output.signal });
  return { resolved, model };
}
