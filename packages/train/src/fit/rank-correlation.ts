/** Rank correlation (Spearman, 1904): the correlation of ranks, ties sharing their mean rank. NaN where one side does not vary. */
export function rankCorrelation(a: Float64Array, b: Float64Array): number {
  return correlation(ranksOf(a), ranksOf(b));
}

function ranksOf(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values.keys()).sort((x, y) => values[x]! - values[y]!);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let place = first; place < end; place++) ranks[order[place]!] = (first + end - 1) / 2;
    first = end;
  }
  return ranks;
}

/** Pearson's. */
function correlation(x: Float64Array, y: Float64Array): number {
  const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  let together = 0;
  let squaresX = 0;
  let squaresY = 0;
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - meanX, y[i]! - meanY];
    together += dx * dy;
    squaresX += dx * dx;
    squaresY += dy * dy;
  }
  return squaresX > 0 && squaresY > 0 ? together / Math.sqrt(squaresX * squaresY) : Number.NaN;
}
