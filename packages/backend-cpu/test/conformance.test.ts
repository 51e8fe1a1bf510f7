import { conformanceCases, FLOAT32_TOLERANCE, type Tolerance } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import type { Model } from '@gateskip/model';
import { describe, it } from 'vitest';
import { findAddon } from '../src/addon.js';
import { cpuBackend } from '../src/index.js';

/**
 * Block-format weights meet activations rounded to int8. A block's step is max/127, its error step/sqrt(12); the maximum
 * of 32 normal numbers is about 2.1 times their root mean square, so a product is off by about 0.5 %. Some ten products
 * on the way to a logit add up in squares to about 1.5 %; twice that for the worst row. The kit's
 * gates have logits of deviation 1.5 and the sigmoid is at most 1/4 steep: 3 % of the input is 0.011 of a score, and twice
 * that for the worst of thousands.
 */
const INT8_TOLERANCE: Tolerance = { logits: 3e-2, scores: 2.5e-2, hidden: 3e-2 };

const isQuantized = ({ tensors }: Model) => [...tensors.values()].some(({ type }) => type.startsWith('Q'));
const tolerance = (model: Model) => (isQuantized(model) ? INT8_TOLERANCE : FLOAT32_TOLERANCE);

const found = findAddon();
const instructionSets = 'addon' in found ? found.addon.instructionSets() : [];

describe('the addon', () => {
  it('is built', ({ expect }) => expect(found).toHaveProperty('addon'));
});

for (const isa of instructionSets) {
  for (const threads of [1, 3]) {
    describe(`the cpu backend conforms, ${isa}, ${threads} threads`, () => {
      const load = { threads, extra: { isa, kvFormat: 'f32' } };
      for (const { name, run } of conformanceCases({ backend: cpuBackend, oracle: referenceBackend, load, tolerance })) {
        it(name, async (context) => {
          const reason = await run();
          if (reason !== undefined) context.skip(reason);
        });
      }
    });
  }
}
