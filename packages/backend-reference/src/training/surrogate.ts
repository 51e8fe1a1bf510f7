/** dkept/dscore of `StraightThroughOptions`: the slope of σ((score - threshold) / temperature), or 1. */
export function surrogateSlope(score: number, threshold: number, temperature: number | undefined): number {
  if (temperature === undefined) return 1;
  const e = Math.exp(-Math.abs((score - threshold) / temperature));
  return e / ((1 + e) * (1 + e)) / temperature;
}
