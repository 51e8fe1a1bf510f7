import { readFileSync } from 'node:fs';
import { isGateskipError } from '@gateskip/errors';
import { branchCount, densePlan } from '@gateskip/gate';
import { loadModel, type Model } from '@gateskip/model';
import { expect, it } from 'vitest';
import { referenceBackend } from '../../src/index.js';

/** Made by tools/oracles/pytorch/make_smollm2_vectors.py in float64 on the dequantised weights. */
interface Fixture {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly topTokens: readonly (readonly number[])[];
  readonly topLogits: readonly (readonly number[])[];
  readonly logSumExp: readonly number[];
}

const fixture = JSON.parse(readFileSync(new URL('../fixtures/pytorch-smollm2.json', import.meta.url), 'utf8')) as Fixture;

/** Required; both sides are float64 over the same float32 weights, so that 1e-6 is what to expect. */
const RELATIVE_TOLERANCE = 1e-4;

it('next-token logits of SmolLM2-135M-Instruct agree with PyTorch', async (context) => {
  let model: Model;
  try {
    model = await loadModel('smollm2-135m');
  } catch (error) {
    if (!isGateskipError(error)) throw error;
    return context.skip(`the model cannot be had: ${error.message}`);
  }
  const runner = await referenceBackend.load(model);
  try {
    expect([...model.tokenizer!.encode(fixture.text, { addBegin: false })]).toEqual(fixture.tokens);
    const { vocabularySize } = model.config;
    const length = fixture.tokens.length;
    const result = await runner.step(
      {
        tokens: Int32Array.from(fixture.tokens),
        segments: [{ sequence: runner.openSequence(), start: 0, length, plan: 0 }],
        outputs: Int32Array.from({ length }, (_, row) => row),
      },
      [densePlan(branchCount(model.config))],
    );
    let worst = 0;
    for (const [row, tokens] of fixture.topTokens.entries()) {
      const logits = result.logits!.subarray(row * vocabularySize, (row + 1) * vocabularySize);
      const norm = Math.hypot(...fixture.topLogits[row]!);
      worst = Math.max(worst, Math.hypot(...tokens.map((token, i) => logits[token]! - fixture.topLogits[row]![i]!)) / norm);
      const highest = logits.reduce((most, logit) => Math.max(most, logit));
      expect(highest).toBe(logits[tokens[0]!]);
      const logSumExp = highest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0));
      worst = Math.max(worst, Math.abs(logSumExp - fixture.logSumExp[row]!) / Math.abs(fixture.logSumExp[row]!));
    }
    expect(worst, 'worst relative distance').toBeLessThan(RELATIVE_TOLERANCE);
    console.log(`worst relative distance from PyTorch over ${length} positions: ${worst.toExponential(2)}`);
  } finally {
    await runner.close();
    await model.close();
  }
});
