import type { EvaluationResults, RunResult } from '../run/results.js';

export interface ParetoPoint {
  readonly label: string;
  readonly policy: string;
  readonly net: number;
  /** Decode speed over dense, or tokens per second where dense was not run; undefined where it was not measured. */
  readonly speed: number | undefined;
  readonly quality: number;
  readonly error: number;
}

export interface ParetoData {
  readonly quality: string;
  /** Whether less is better. */
  readonly lowerIsBetter: boolean;
  readonly speed: string;
  readonly points: readonly ParetoPoint[];
}

/** Quality is the mean over tasks of their first metric, where there are such; else perplexity; undefined where there is neither. */
export function paretoData({ runs, data, texts }: EvaluationResults): ParetoData | undefined {
  const names = Object.entries(data).flatMap(([name, { metrics }]) =>
    metrics[0] !== undefined && metrics[0] !== 'perplexity' ? [[name, metrics[0]] as const] : [],
  );
  const isOverDense = runs.every(({ speed }) => speed === null || speed.decodeOverDense !== undefined);
  const qualityOf = (run: RunResult): { quality: number; error: number } | undefined => {
    if (names.length === 0) return run.perplexity ? { quality: run.perplexity.perToken, error: run.perplexity.standardError } : undefined;
    let sum = 0;
    let squares = 0;
    for (const [name, metric] of names) {
      sum += run.tasks[name]?.metrics[metric] ?? Number.NaN;
      squares += (run.tasks[name]?.standardErrors[metric] ?? 0) ** 2;
    }
    return { quality: sum / names.length, error: Math.sqrt(squares) / names.length };
  };
  if (names.length === 0 && texts.perplexity === null) return undefined;
  const points = runs.flatMap((run): ParetoPoint[] => {
    const found = qualityOf(run);
    if (found === undefined || !Number.isFinite(found.quality)) return [];
    const speed = isOverDense ? run.speed?.decodeOverDense?.median : run.speed?.decode.median;
    return [{ label: run.label, policy: run.policy, net: run.held.net, speed, ...found }];
  });
  return {
    quality: names.length === 0 ? 'perplexity' : names.length === 1 ? `${names[0]?.[0]} ${names[0]?.[1]}` : `mean of ${names.length} tasks`,
    lowerIsBetter: names.length === 0,
    speed: isOverDense ? 'decode speed over dense' : 'decode, tokens/s',
    points,
  };
}
