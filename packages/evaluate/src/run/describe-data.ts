import { createHash } from 'node:crypto';
import type { ProgramRunner } from '../execution/program-runner.js';
import type { EvaluationTask, MetricName } from '../task/task.js';
import type { PreparedTask } from './prepare-task.js';
import type { PreparedText } from './prepare-text.js';
import type { DataDescription, TextDescription } from './results.js';

/** Without a runner, metrics that need one are absent, which is said. */
export function describeTask(
  { task, items, source, sha256, records, fewShot, chat }: PreparedTask,
  runner: ProgramRunner | undefined,
): DataDescription {
  const itemsSha256 = createHash('sha256')
    .update(JSON.stringify(items.map(({ id, hash }) => [id, hash])))
    .digest('hex');
  const needsRunner = task.generation?.score === 'python';
  const metrics = scoredMetrics(task, runner);
  return {
    source,
    sha256,
    records,
    items: items.length,
    itemsSha256,
    fewShot,
    chat,
    metrics,
    ...(metrics.length < task.metrics.length && {
      unscored: { metrics: task.metrics, reason: 'programs that the model writes are run only where that is asked for' },
    }),
    ...(needsRunner && runner && { execution: runner.isolation }),
  };
}

/** Metrics that can be had. */
export function scoredMetrics({ metrics, generation }: EvaluationTask, runner: ProgramRunner | undefined): readonly MetricName[] {
  return generation?.score === 'python' && runner === undefined ? [] : metrics;
}

export function describeText(text: PreparedText, window: number, stride: number): TextDescription {
  const { source, sha256, tokens, allTokens, bytes, words } = text;
  return { source, sha256, tokens: tokens.length, allTokens, bytes, words, window, stride };
}
