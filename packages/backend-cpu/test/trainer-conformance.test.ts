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
