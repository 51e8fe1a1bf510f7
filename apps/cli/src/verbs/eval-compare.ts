import type { Output } from '../output/output.js';

export interface EvalCompareOptions {
  readonly runA?: string;
  readonly runB?: string;
  readonly seed?: number;
}

/** Compares two files of results, item by item. */
export async function compareEvaluations(a: string, b: string, options: EvalCompareOptions, output: Output): Promise<void> {
  const { compareResults, readResults, renderComparison } = await import('@gateskip/evaluate');
  const { runA, runB, seed } = options;
  const compared = compareResults(await readResults(a), await readResults(b), {
    ...(runA !== undefined && { runA }),
    ...(runB !== undefined && { runB }),
    ...(seed !== undefined && { seed }),
  });
  await output.document({ compared });
  await output.print(renderComparison(compared));
}
