import type { ItemResult, TaskResult } from '../run/results.js';
import { addUsage, heldOf, noUsage } from '../scoring/usage.js';
import type { MetricName } from '../task/task.js';
import { type PairedDifference, pairedBootstrap } from './bootstrap.js';
import { mean, standardError } from './mean.js';

/** A metric of some items. */
export function metricOf(metric: string, items: readonly ItemResult[]): number {
  if (metric === 'perplexity') return Math.exp(-mean(items.map(({ scores }) => scores.logprob as number)));
  return mean(items.map(({ scores }) => scores[metric] as number));
}

function errorOf(metric: string, items: readonly ItemResult[]): number {
  if (metric !== 'perplexity') return standardError(items.map(({ scores }) => scores[metric] as number));
  // To first order: the derivative of exp is exp.
  return metricOf(metric, items) * standardError(items.map(({ scores }) => scores.logprob as number));
}

/** @param dense results of the same items without skipping */
export function summarizeTask(
  metrics: readonly MetricName[],
  perItem: readonly ItemResult[],
  branches: number,
  seed: number,
  dense?: readonly ItemResult[],
): TaskResult {
  const each = (value: (metric: string) => number): Record<string, number> =>
    Object.fromEntries(metrics.map((metric) => [metric, value(metric)]));
  const groups = groupsOf(perItem);
  return {
    items: perItem.length,
    metrics: each((metric) => metricOf(metric, perItem)),
    standardErrors: each((metric) => errorOf(metric, perItem)),
    held: heldOf(
      perItem.reduce((sum, { usage }) => addUsage(sum, usage), noUsage),
      branches,
    ),
    cutItems: perItem.filter(({ cutTokens }) => cutTokens > 0).length,
    ...(dense && { pairedAgainstDense: pairTask(metrics, perItem, dense, seed) }),
    ...(groups && {
      groups: Object.fromEntries(
        Array.from(groups, ([name, items]) => [
          name,
          { items: items.length, metrics: Object.fromEntries(metrics.map((metric) => [metric, metricOf(metric, items)])) },
        ]),
      ),
    }),
    perItem,
  };
}

/** Differences `a - b` per metric, items paired by id. */
export function pairTask(
  metrics: readonly string[],
  a: readonly ItemResult[],
  b: readonly ItemResult[],
  seed: number,
): Record<string, PairedDifference> {
  const byId = new Map(b.map((item) => [item.id, item]));
  const partners = a.map(({ id }) => byId.get(id) as ItemResult);
  return Object.fromEntries(metrics.map((metric) => [metric, pairedBootstrap(a, partners, (items) => metricOf(metric, items), seed)]));
}

function groupsOf(items: readonly ItemResult[]): Map<string, ItemResult[]> | undefined {
  if (items.every(({ group }) => group === undefined)) return undefined;
  const groups = new Map<string, ItemResult[]>();
  for (const item of items) groups.set(item.group ?? '', [...(groups.get(item.group ?? '') ?? []), item]);
  return groups;
}
