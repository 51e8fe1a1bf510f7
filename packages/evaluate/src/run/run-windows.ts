import type { Runner } from '@gateskip/backend';
import type { Policy } from '@gateskip/scheduler';
import type { StepLimits } from '../scoring/limits.js';
import { scoreGroups, type TextScoring } from '../scoring/score-texts.js';
import { sumOf } from '../scoring/text-scores.js';
import { agreementOf } from '../text/agreement-windows.js';
import type { Window } from '../text/windows.js';
import type { WindowResult } from './results.js';

export interface WindowRunOptions {
  readonly runner: Runner;
  readonly policy: Policy | undefined;
  readonly limits: StepLimits;
  readonly textScores?: TextScoring | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Negative log-probabilities of windows, in order, without those that `isDone`. */
export async function* perplexityWindows(
  windows: readonly Window[],
  isDone: (id: string) => boolean,
  options: WindowRunOptions,
): AsyncGenerator<WindowResult> {
  const left = windows.filter(({ start }) => !isDone(String(start)));
  let at = 0;
  for await (const { texts, usage } of scoreGroups(
    left.map((window) => ({ texts: [window] })),
    options,
  )) {
    const { logprobs } = texts[0] as (typeof texts)[number];
    yield { id: String((left[at++] as Window).start), tokens: logprobs.length, sums: { nll: -sumOf(logprobs) }, usage };
  }
}

/** KL and agreement of windows, in order, without those that `isDone`. */
export async function* agreementWindows(
  windows: readonly Window[],
  isDone: (id: string) => boolean,
  options: WindowRunOptions & { readonly denseRunner?: Runner; readonly policy: Policy },
): AsyncGenerator<WindowResult> {
  for (const { tokens, start, scoredFrom } of windows) {
    if (isDone(String(start))) continue;
    const { rows, klSum, top1, top5, usage, comparedUsage } = await agreementOf(tokens, scoredFrom, options);
    yield { id: String(start), tokens: rows, sums: { kl: klSum, top1, top5 }, usage, ...(scoredFrom > 0 && { comparedUsage }) };
  }
}
