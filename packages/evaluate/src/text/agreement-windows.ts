import type { Runner } from '@gateskip/backend';
import { AbortedError } from '@gateskip/errors';
import type { Policy } from '@gateskip/scheduler';
import { LogitsNotFiniteError } from '../errors.js';
import { Lane } from '../scoring/lane.js';
import type { StepLimits } from '../scoring/limits.js';
import { logSumExp } from '../scoring/log-softmax.js';
import { type LaneRows, runRows } from '../scoring/run-rows.js';
import type { TextScoring } from '../scoring/score-texts.js';
import { noUsage, subtractUsage, type Usage } from '../scoring/usage.js';

/** Sums over the compared rows of one window. */
export interface WindowAgreement {
  readonly rows: number;
  /** KL(dense || policy), in nats. */
  readonly klSum: number;
  /** Rows where both think the same token the likeliest. */
  readonly top1: number;
  /** Rows where the dense model's likeliest token is among the policy's five likeliest. */
  readonly top5: number;
  /** Of the policy, over all rows. */
  readonly usage: Usage;
  /** Of the policy, over the compared rows. */
  readonly comparedUsage: Usage;
}

export interface AgreementOptions {
  readonly runner: Runner;
  /** The model that is agreed with; default: `runner` without a policy. */
  readonly denseRunner?: Runner;
  readonly policy: Policy;
  readonly limits: StepLimits;
  readonly textScores?: TextScoring | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Dense model and policy read the same window side by side, in the same steps where one runner is both. Rows that are not compared are
 * steps of their own, so that what the others spend is known.
 *
 * @param scoredFrom first row that is compared
 */
export async function agreementOf(tokens: Int32Array, scoredFrom: number, options: AgreementOptions): Promise<WindowAgreement> {
  const { runner, denseRunner = runner, policy, limits, signal } = options;
  const { vocabularySize } = runner.config;
  const most = Math.max(1, Math.floor(Math.min(limits.chunkRows, limits.maxOutputs) / 2));
  const scores = await options.textScores?.(tokens);
  // A text is all prompt, unless prompts have a budget of their own: then it is all answer.
  const gated = Lane.open(runner, policy, policy.promptBudget === undefined ? tokens.length : 0, scores);
  let dense: Lane | undefined;
  let [klSum, top1, top5] = [0, 0, 0];
  let usageBefore = noUsage;
  try {
    dense = Lane.open(denseRunner, undefined, tokens.length);
    while (dense.position < tokens.length) {
      if (signal?.aborted) throw new AbortedError('The evaluation');
      const { position } = dense;
      const isCompared = position >= scoredFrom;
      const rows = Math.min(most, (isCompared ? tokens.length : scoredFrom) - position, gated.span);
      const own = tokens.subarray(position, position + rows);
      const outputs = isCompared ? Array.from({ length: rows }, (_, row) => row) : [];
      const parts: LaneRows[] = [
        { lane: dense, tokens: own, outputs },
        { lane: gated, tokens: own, outputs },
      ];
      const logits = await logitsOf(parts, outputs.length * vocabularySize, signal);
      if (!isCompared) {
        usageBefore = gated.usage;
        continue;
      }
      for (let row = 0; row < rows; row++) {
        const compared = compareRow(logits, row, rows + row, vocabularySize);
        if (!Number.isFinite(compared.kl)) throw new LogitsNotFiniteError(`the token at position ${position + row}`);
        klSum += compared.kl;
        top1 += compared.rank === 0 ? 1 : 0;
        top5 += compared.rank < 5 ? 1 : 0;
      }
    }
    return {
      rows: tokens.length - scoredFrom,
      klSum,
      top1,
      top5,
      usage: gated.usage,
      comparedUsage: subtractUsage(gated.usage, usageBefore),
    };
  } finally {
    dense?.close();
    gated.close();
  }
}

/** [2 outputs, vocabulary]: first the dense model's. @param size of one half */
async function logitsOf([dense, gated]: readonly LaneRows[], size: number, signal: AbortSignal | undefined): Promise<Float32Array> {
  const [p, q] = [dense as LaneRows, gated as LaneRows];
  if (p.lane.runner === q.lane.runner) return (await runRows(p.lane.runner, [p, q], { signal })).result.logits as Float32Array;
  const both = new Float32Array(2 * size);
  for (const [at, part] of [p, q].entries()) {
    const { result } = await runRows(part.lane.runner, [part], { signal });
    both.set(result.logits as Float32Array, at * size);
  }
  return both;
}

/** KL(p || q) of two rows of logits, and how many tokens q prefers to p's likeliest (equals of lower id included). */
export function compareRow(logits: Float32Array, p: number, q: number, vocabulary: number): { kl: number; rank: number } {
  const normP = logSumExp(logits, p, vocabulary);
  const normQ = logSumExp(logits, q, vocabulary);
  let kl = 0;
  let best = 0;
  for (let token = 0; token < vocabulary; token++) {
    const logitP = logits[p * vocabulary + token] as number;
    const logP = logitP - normP;
    kl += Math.exp(logP) * (logP - ((logits[q * vocabulary + token] as number) - normQ));
    if (logitP > (logits[p * vocabulary + best] as number)) best = token;
  }
  const mark = logits[q * vocabulary + best] as number;
  let rank = 0;
  for (let token = 0; token < vocabulary; token++) {
    const logit = logits[q * vocabulary + token] as number;
    if (logit > mark || (logit === mark && token < best)) rank++;
  }
  // Rounding may leave a hair below 0 where both are alike.
  return { kl: Math.max(0, kl), rank };
}
