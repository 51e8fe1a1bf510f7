import type { TokenLogprobs } from '../api.js';
import type { Candidates } from './candidates.js';
import type { LogitsRow } from './logits-row.js';

/** Log-probabilities under the model itself: before penalty, temperature and filters. */
export function tokenLogprobs(
  row: LogitsRow,
  candidates: Candidates,
  token: number,
  wanted: number,
  textOf: (token: number) => string,
): TokenLogprobs {
  const logSumExp = row.logSumExp(row.largestLogit());
  const top: { token: number; text: string; logprob: number }[] = [];
  candidates.take(row, wanted);
  for (let index = 0; index < candidates.count; index++) {
    const id = candidates.tokens[index] ?? 0;
    top.push({ token: id, text: textOf(id), logprob: (candidates.logits[index] ?? 0) - logSumExp });
  }
  return { token, text: textOf(token), logprob: row.logitOf(token) - logSumExp, top };
}
