import type { TeacherLoss } from '@gateskip/backend';

/** Softmax pieces of one row of logits [vocabulary]. */
export function logSumExp(logits: Float64Array, counts: (token: number) => boolean = () => true): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (counts(i) && logits[i]! > highest) highest = logits[i]!;
  if (highest === Number.NEGATIVE_INFINITY) return highest;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) if (counts(i)) sum += Math.exp(logits[i]! - highest);
  return highest + Math.log(sum);
}

/** -ln q[target]; adds `scale` times its gradient, `q - onehot`, to `dLogits`. */
export function crossEntropy(logits: Float64Array, target: number, scale: number, dLogits: Float64Array): number {
  const total = logSumExp(logits);
  for (let i = 0; i < logits.length; i++) dLogits[i]! += scale * Math.exp(logits[i]! - total);
  dLogits[target]! -= scale;
  return total - logits[target]!;
}

/** Divergence of one row from its teacher as `TeacherLoss` defines it; adds `scale` times its gradient to `dLogits`. */
export function teacherDivergence(logits: Float64Array, teacher: TeacherLoss, row: number, scale: number, dLogits: Float64Array): number {
  const { count, tokens, logProbabilities, tailMass } = teacher;
  const total = logSumExp(logits);
  const named = new Set<number>();
  let mass = 0;
  let value = 0;
  for (let k = row * count; k < (row + 1) * count; k++) {
    const token = tokens[k]!;
    const probability = Math.exp(logProbabilities[k]!);
    named.add(token);
    if (probability === 0) continue;
    mass += probability;
    value += probability * (logProbabilities[k]! - (logits[token]! - total));
    dLogits[token]! -= scale * probability;
  }
  const tail = count === logits.length ? 0 : tailMass[row]!;
  if (tail > 0) {
    const isOutside = (token: number) => !named.has(token);
    const outside = logSumExp(logits, isOutside);
    value += tail * (Math.log(tail) - (outside - total));
    for (let i = 0; i < logits.length; i++) if (isOutside(i)) dLogits[i]! -= scale * tail * Math.exp(logits[i]! - outside);
  }
  const scaledMass = scale * (mass + tail);
  for (let i = 0; i < logits.length; i++) dLogits[i]! += scaledMass * Math.exp(logits[i]! - total);
  return value;
}

/** Whether the likeliest token is the teacher's likeliest of the named ones (ties: the first). */
export function agrees(logits: Float64Array, teacher: TeacherLoss, row: number): boolean {
  let best = row * teacher.count;
  for (let k = best + 1; k < (row + 1) * teacher.count; k++) if (teacher.logProbabilities[k]! > teacher.logProbabilities[best]!) best = k;
  let likeliest = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[likeliest]!) likeliest = i;
  return likeliest === teacher.tokens[best]!;
}
