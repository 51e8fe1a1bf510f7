import type { StepInput } from '@gateskip/backend';
import { branchCount, densePlan } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import { stepArrays } from '../../src/step-arrays.js';
import { StepBlock } from '../../src/step-block.js';

/** A dense step with all logits of the last row, as a child process hands it to the addon: `blockFor[sequence]`, for the first few. */
export function plainStep(config: ModelConfig, tokens: Int32Array) {
  const plans = [densePlan(branchCount(config))];
  const inputFor = (sequence: number): StepInput => ({
    tokens,
    segments: [{ sequence, start: 0, length: tokens.length, plan: 0 }],
    outputs: Int32Array.of(tokens.length - 1),
  });
  const blockFor = Array.from({ length: 4 }, (_, sequence) => {
    const block = new StepBlock(branchCount(config));
    block.write(inputFor(sequence), plans, 0);
    return block.words;
  });
  const { result, memory } = stepArrays(inputFor(1), plans, 0, config);
  return { blockFor, memory, logits: result.logits };
}
