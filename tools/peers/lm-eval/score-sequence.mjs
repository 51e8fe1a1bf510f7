/**
 * Log-probabilities of one token sequence by the shortest way there is: the whole sequence alone through `runner.step`, all
 * logits, log-softmax in double precision. It shares nothing with `@gateskip/evaluate`, which it is to check.
 */

/** Rows of one step, so that full logits stay near 25 MB. */
const ROWS_PER_STEP = 128;

/**
 * @typedef {object} SequenceScores
 * @property {(number | null)[]} logprobs of each token given those before it; null for the first
 * @property {{ token: number, logprob: number }[]} top the likeliest token after each position: [tokens]
 *
 * @param {any} runner
 * @param {any} policy undefined: dense
 * @param {any} densePlan
 * @param {readonly number[]} tokens
 * @returns {Promise<SequenceScores>}
 */
export async function scoreSequence(runner, policy, densePlan, tokens) {
  const { vocabularySize: vocabulary } = runner.config;
  /** @type {(number | null)[]} */
  const logprobs = [null];
  const top = [];
  const held = policy?.open({ promptTokens: tokens.length });
  const sequence = runner.openSequence();
  try {
    for (let position = 0; position < tokens.length; ) {
      const rows = Math.min(ROWS_PER_STEP, tokens.length - position, held ? held.spanAt(position) : ROWS_PER_STEP);
      const result = await runner.step(
        {
          tokens: Int32Array.from(tokens.slice(position, position + rows)),
          segments: [{ sequence, start: 0, length: rows, plan: 0 }],
          outputs: Int32Array.from({ length: rows }, (_, row) => row),
          ...(held?.wantsScores && { want: { scores: true } }),
        },
        [held ? held.plan(position, rows) : densePlan],
      );
      const { kept, macs, denseMacs, scores } = result;
      held?.observe({ position, rows, kept, macs: macs[0], denseMacs: denseMacs[0], ...(scores && { scores }) });
      for (let row = 0; row < rows; row++) {
        const { token, logits, logSum } = normalized(result.logits, row, vocabulary);
        top.push({ token, logprob: logits[token] - logSum });
        const next = tokens[position + row + 1];
        if (next !== undefined) logprobs.push(logits[next] - logSum);
      }
      position += rows;
    }
  } finally {
    runner.closeSequence(sequence);
  }
  return { logprobs, top };
}

/** @param {Float32Array} all [rows, vocabulary] @param {number} row @param {number} vocabulary */
function normalized(all, row, vocabulary) {
  const logits = all.subarray(row * vocabulary, (row + 1) * vocabulary);
  let token = 0;
  for (let other = 1; other < vocabulary; other++) if (logits[other] > logits[token]) token = other;
  const most = logits[token];
  let sum = 0;
  for (let other = 0; other < vocabulary; other++) sum += Math.exp(logits[other] - most);
  return { token, logits, logSum: most + Math.log(sum) };
}
