import { conformanceCases } from '@gateskip/backend/conformance';
import { describe, it } from 'vitest';
import { referenceBackend } from '../src/index.js';

/** Against itself the numbers agree trivially; the laws, the refusals and the state after them do not. */
describe('the reference backend conforms', () => {
  for (const { name, run } of conformanceCases({ backend: referenceBackend, oracle: referenceBackend })) {
    it(name, async (context) => {
      const reason = await run();
      if (reason !== undefined) context.skip(reason);
    });
  }
});
