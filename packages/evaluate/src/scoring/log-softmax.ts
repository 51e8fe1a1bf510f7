/**
 * Log of the sum of exp of one row, in double precision.
 *
 * @param logits [rows, vocabulary]
 */
export function logSumExp(logits: Float32Array, row: number, vocabulary: number): number {
  const start = row * vocabulary;
  let most = Number.NEGATIVE_INFINITY;
  for (let at = start; at < start + vocabulary; at++) if ((logits[at] as number) > most) most = logits[at] as number;
  if (!Number.isFinite(most)) return Number.NaN;
  let sum = 0;
  for (let at = start; at < start + vocabulary; at++) sum += Math.exp((logits[at] as number) - most);
  return most + Math.log(sum);
}

/** Token of the highest logit, the lowest id among equals. */
export function likeliest(logits: Float32Array, row: number, vocabulary: number): number {
  const start = row * vocabulary;
  let best = 0;
  for (let token = 1; token < vocabulary; token++) if ((logits[start + token] as number) > (logits[start + best] as number)) best = token;
  return best;
}
