import { ResultsMismatchError } from '../errors.js';
import { type PairedDifference, pairedBootstrap } from '../statistics/bootstrap.js';
import { metricOf, pairTask } from '../statistics/summarize-task.js';
import type { EvaluationResults, RunResult, WindowResult } from './results.js';

export interface ComparedMetric {
  readonly task: string;
  readonly metric: string;
  readonly a: number;
  readonly b: number;
  /** `a - b`, items paired by id. */
  readonly paired: PairedDifference;
  /** Share of items with the same choice; absent where nothing is chosen. */
  readonly sameChoice?: number;
}

export interface ComparedRuns {
  readonly a: string;
  readonly b: string;
  readonly metrics: readonly ComparedMetric[];
}

export interface CompareOptions {
  /** Label of the run of the first file; default: see {@link compareResults}. */
  readonly runA?: string;
  readonly runB?: string;
  readonly seed?: number;
}

/**
 * Paired differences between two files of results. Without labels every run is paired with the one of the same label; where
 * none is the same, the last of each file.
 *
 * @throws ResultsMismatchError where a task or text is in both files with other items
 */
export function compareResults(a: EvaluationResults, b: EvaluationResults, options: CompareOptions = {}): ComparedRuns[] {
  const { seed = 1 } = options;
  const shared = Object.keys(a.data).filter((name) => Object.hasOwn(b.data, name));
  for (const name of shared) checkItems(a, b, name);
  const textA = a.texts.perplexity;
  const textB = b.texts.perplexity;
  const hasText = textA !== null && textB !== null;
  if (
    hasText &&
    (textA.sha256 !== textB.sha256 || textA.tokens !== textB.tokens || textA.window !== textB.window || textA.stride !== textB.stride)
  )
    throw new ResultsMismatchError('perplexity was measured on other texts or windows', { what: 'perplexity' });
  if (shared.length === 0 && !hasText) throw new ResultsMismatchError('they have no task and no text in common');
  return pairsOf(a, b, options).map(([runA, runB]) => ({
    a: runA.label,
    b: runB.label,
    metrics: [
      ...shared.flatMap((name) => compareTask(sharedMetrics(a, b, name), name, runA, runB, seed)),
      ...comparePerplexity(runA, runB, seed),
    ],
  }));
}

function checkItems(a: EvaluationResults, b: EvaluationResults, name: string): void {
  const [dataA, dataB] = [a.data[name], b.data[name]];
  if (dataA?.itemsSha256 === dataB?.itemsSha256) return;
  const idsOf = ({ runs }: EvaluationResults): Map<string, string> =>
    new Map((runs[0]?.tasks[name]?.perItem ?? []).map(({ id, hash }) => [id, hash]));
  const [own, other] = [idsOf(a), idsOf(b)];
  const same = [...own].filter(([id, hash]) => other.get(id) === hash).length;
  throw new ResultsMismatchError(`task ${name} has ${own.size} and ${other.size} items, of which ${same} are the same`, {
    what: name,
    expected: own.size,
    got: other.size,
    same,
  });
}

function pairsOf(a: EvaluationResults, b: EvaluationResults, { runA, runB }: CompareOptions): (readonly [RunResult, RunResult])[] {
  const named = (results: EvaluationResults, label: string): RunResult => {
    const found = results.runs.find((run) => run.label === label);
    if (found === undefined)
      throw new ResultsMismatchError(`there is no run "${label}" but ${results.runs.map((run) => `"${run.label}"`).join(', ')}`, {
        what: label,
      });
    return found;
  };
  const last = (results: EvaluationResults): RunResult => results.runs.at(-1) as RunResult;
  if (runA !== undefined || runB !== undefined)
    return [[runA === undefined ? last(a) : named(a, runA), runB === undefined ? last(b) : named(b, runB)]];
  const same = a.runs.flatMap((run) => {
    const other = b.runs.find(({ label }) => label === run.label);
    return other ? [[run, other] as const] : [];
  });
  return same.length > 0 ? same : [[last(a), last(b)]];
}

/** Metrics that both have: programs may have been run for one of them only. */
function sharedMetrics(a: EvaluationResults, b: EvaluationResults, name: string): readonly string[] {
  const others = b.data[name]?.metrics ?? [];
  return (a.data[name]?.metrics ?? []).filter((metric) => others.includes(metric));
}

function compareTask(metrics: readonly string[], name: string, runA: RunResult, runB: RunResult, seed: number): ComparedMetric[] {
  const [taskA, taskB] = [runA.tasks[name], runB.tasks[name]];
  if (taskA === undefined || taskB === undefined) return [];
  const hashes = new Map(taskB.perItem.map(({ id, hash }) => [id, hash]));
  if (taskA.perItem.length !== hashes.size || taskA.perItem.some(({ id, hash }) => hashes.get(id) !== hash))
    throw new ResultsMismatchError(`the items of task ${name} are not those that the files describe`, { what: name });
  const paired = pairTask(metrics, taskA.perItem, taskB.perItem, seed);
  const choices = new Map(taskB.perItem.map(({ id, choice }) => [id, choice]));
  const chosen = taskA.perItem.filter(({ choice }) => choice !== undefined);
  const sameChoice =
    chosen.length > 0 ? { sameChoice: chosen.filter(({ id, choice }) => choices.get(id) === choice).length / chosen.length } : {};
  return metrics.map((metric) => ({
    task: name,
    metric,
    a: metricOf(metric, taskA.perItem),
    b: metricOf(metric, taskB.perItem),
    paired: paired[metric] as PairedDifference,
    ...sameChoice,
  }));
}

function comparePerplexity(runA: RunResult, runB: RunResult, seed: number): ComparedMetric[] {
  if (runA.perplexity === null || runB.perplexity === null) return [];
  const perToken = (windows: readonly WindowResult[]): number =>
    windows.reduce((sum, { sums }) => sum + (sums.nll as number), 0) / windows.reduce((sum, { tokens }) => sum + tokens, 0);
  const [a, b] = [runA.perplexity.windows, runB.perplexity.windows];
  return [{ task: 'perplexity', metric: 'log per token', a: perToken(a), b: perToken(b), paired: pairedBootstrap(a, b, perToken, seed) }];
}
