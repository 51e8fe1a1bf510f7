import type { LogitPicks, TopLogits } from '@gateskip/backend';

/** The `count` highest of each row of logits [outputs, vocabulary], descending, ties by lower token id. */
export function topLogits(logits: Float32Array, vocabularySize: number, count: number): TopLogits {
  const outputs = logits.length / vocabularySize;
  const top = {
    count,
    tokens: new Int32Array(outputs * count),
    logits: new Float32Array(outputs * count),
    logSumExp: new Float32Array(outputs),
  };
  for (let output = 0; output < outputs; output++) {
    const row = logits.subarray(output * vocabularySize, (output + 1) * vocabularySize);
    const order = Int32Array.from(row, (_, token) => token).sort((a, b) => descending(row[a]!, row[b]!) || a - b);
    for (let i = 0; i < count; i++) {
      top.tokens[output * count + i] = order[i]!;
      top.logits[output * count + i] = row[order[i]!]!;
    }
    const highest = row[order[0]!]!;
    let sum = 0;
    for (const logit of row) sum += Math.exp(logit - highest);
    top.logSumExp[output] = highest + Math.log(sum);
  }
  return top;
}

/** Those of logits [outputs, vocabulary] that are picked. */
export function pickedLogits(logits: Float32Array, vocabularySize: number, { outputs, tokens }: LogitPicks): Float32Array {
  return Float32Array.from(tokens, (token, index) => logits[outputs[index]! * vocabularySize + token]!);
}

/** NaN last. */
function descending(a: number, b: number): number {
  if (a === b) return 0;
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  if (Number.isNaN(b)) return -1;
  return a > b ? -1 : 1;
}
