import { createRandomAdapter } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import type { GateAdapter } from '@gateskip/model';
import { createRandomModel } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { budgetWarnings } from '../src/budget-warnings.js';
import { createEngine } from '../src/index.js';

describe('warnings about a budget', () => {
  const held = (skip: number, net: number, branches = [0, 0.1, 0.4]) => ({ decode: { skip, net }, branches });

  it('come where it was missed by far, and only then', () => {
    expect(budgetWarnings({ skip: 0.25 }, held(0.25, 0.8), 100)).toEqual([]);
    expect(budgetWarnings({ skip: 0.25 }, held(0, 1), 63)).toEqual([]);
    expect(budgetWarnings(undefined, held(0, 1), 100)).toEqual([]);
    expect(budgetWarnings({ skip: 0.25 }, held(0, 1), 64)).toHaveLength(1);
    expect(budgetWarnings({ skip: 0.25 }, held(0.9, 0.1), 64)[0]).toContain('90.0 % skipped');
    expect(budgetWarnings({ net: 0.8 }, held(0.2, 0.79), 64)).toEqual([]);
    expect(budgetWarnings({ net: 0.8 }, held(0, 1), 64)).toHaveLength(1);
    expect(budgetWarnings({ speedup: 1.5 }, held(0, 1), 64)).toEqual([]);
  });

  it('come where all branches skip together, not where some are left out for good', () => {
    expect(budgetWarnings({ skip: 0.25 }, held(0.25, 0.8, [0, 0.3, 0.3, 0.3]), 100)).toHaveLength(1);
    expect(budgetWarnings({ skip: 0.5 }, held(0.5, 0.5, [0, 1, 1, 0]), 100)).toEqual([]);
    expect(budgetWarnings({ skip: 0.1 }, held(0.1, 0.9, [0, 0.3, 0]), 100)).toEqual([]);
  });

  it.each([-60, 60])('come with gates stuck by a bias of %i, which are safe all the same', async (bias) => {
    const model = createRandomModel({ seed: 4 });
    const adapter = createRandomAdapter(model, { seed: 4 });
    const gates = adapter.gates.gates.map((gate) => ({
      ...gate,
      weight: new Float32Array(gate.weight.length),
      bias: Float32Array.of(bias),
    }));
    const stuck: GateAdapter = { ...adapter, gates: { ...adapter.gates, gates } };
    const engine = await createEngine({ model, backend: referenceBackend, adapter: stuck });
    const request = { tokens: [1, 2, 3, 4, 5], budget: { skip: 0.25 }, maxTokens: 80, ignoreEnd: true };
    const { warnings, completionTokens } = await engine.generate(request).result;
    expect(completionTokens).toBe(80);
    expect(warnings).toHaveLength(1);
    await engine.close();
  });
});
