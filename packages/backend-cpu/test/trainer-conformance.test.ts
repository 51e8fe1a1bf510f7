import { trainerConformanceCases } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import { describe, it } from 'vitest';
import { findAddon } from '../src/addon.js';
import { cpuBackend } from '../src/index.js';

const found = findAddon();
const instructionSets = 'addon' in found ? found.addon.instructionSets() : [];

describe('the addon', () => {
  it('is built', ({ expect }) => expect(found).toHaveProperty('addon'));
});

for (const isa of instructionSets) {
  for (const threads of [1, 3]) {
    describe(`the cpu backend trains as the contract says, ${isa}, ${threads} threads`, () => {
      const load = { threads, extra: { isa } };
      for (const { name, run } of trainerConformanceCases({ backend: cpuBackend, oracle: referenceBackend, load })) {
        it(name, async (context) => {
          const reason = await run();
          if (reason !== undefined) context.skip(reason);
        });
      }
    });
  }
}

/**
 * Both sides of a product are rounded to 8 bits of mantissa: off by at most 2^-9 of themselves, evenly spread 2^-9 / sqrt(3),
 * and both together sqrt(2) of that: 0.16 %. A gradient has gone through some ten products forward and ten back, on weights and
 * activations that are each off themselves: sqrt(40) x 0.16 % = 1 %, and three times that for the worst of many parameters.
 */
const BF16_TOLERANCE = { loss: 1e-2, gradient: 3e-2 };

describe('the cpu backend trains as the contract says, bfloat16 products', () => {
  const load = { threads: 2, extra: { precision: 'bf16' } };
  for (const { name, run } of trainerConformanceCases({ backend: cpuBackend, oracle: referenceBackend, load, tolerance: BF16_TOLERANCE })) {
    it(name, async (context) => {
      const reason = await run().catch((error: { code?: string; message: string }) => {
        if (error.code === 'GS_UNSUPPORTED') return error.message;
        throw error;
      });
      if (reason !== undefined) context.skip(reason);
    });
  }
});
