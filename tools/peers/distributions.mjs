/** Comparing the logits of two programs, in double precision. */

/** The first of the largest. @param {ArrayLike<number>} row */
export function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

/** @param {ArrayLike<number>} row */
export function logSumExp(row) {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < row.length; i++) highest = Math.max(highest, row[i]);
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += Math.exp(row[i] - highest);
  return highest + Math.log(sum);
}

/** KL(softmax(p) || softmax(q)), in nats. @param {ArrayLike<number>} p @param {ArrayLike<number>} q */
export function klDivergence(p, q) {
  const pSum = logSumExp(p);
  const qSum = logSumExp(q);
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const logP = p[i] - pSum;
    sum += Math.exp(logP) * (logP - (q[i] - qSum));
  }
  return sum;
}
