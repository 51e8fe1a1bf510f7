/**
 * Makes tokens that were seen less likely (Keskar et al. 2019, CTRL): a positive logit is divided by the penalty, a
 * negative one multiplied. Once per token, however often it was seen. In place.
 */
export function penalizeRepetition(logits: Float32Array, seen: Iterable<number>, penalty: number): void {
  for (const token of new Set(seen)) {
    const logit = logits[token];
    if (logit !== undefined) logits[token] = logit > 0 ? logit / penalty : logit * penalty;
  }
}
