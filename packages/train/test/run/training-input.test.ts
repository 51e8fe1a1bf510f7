import { densePlan, type Plan } from '@gateskip/gate';
import { describe, expect, it } from 'vitest';
import { builtInRecipe } from '../../src/index.js';
import { trainingInput } from '../../src/run/training-input.js';

const { loss, batch, straightThrough } = builtInRecipe('minutes');
const taught = {
  batch: {
    tokens: Int32Array.of(1, 2, 3, 4, 5),
    segmentLengths: Int32Array.of(3, 2),
    rowWeights: new Float32Array(5).fill(1),
    sequences: [],
  },
  teacher: { count: 1, tokens: new Int32Array(5), logProbabilities: new Float32Array(5), tailMass: new Float32Array(5) },
  weight: 5,
};
const skipping: Plan = { scorer: 'gate', rules: ['threshold', 'keep'], values: Float32Array.of(0.5, 0), kv: 'project' };
const planner = { wantsScores: true, savings: (lengths: Int32Array) => Float64Array.of(lengths[0]!, -1) };

describe('the surrogate of a training step', () => {
  it('holds the budget with what skips save, none where a stand-in costs more than its branch', () => {
    expect(straightThrough).toEqual({ temperature: 0.1, holdsBudget: true, taught: 'skipped' });
    const input = trainingInput(taught, skipping, { loss, batch, straightThrough: straightThrough! }, 5, planner);
    expect(input.straightThrough).toEqual({ temperature: 0.1, taught: 'skipped', savings: Float64Array.of(3, 0) });
  });

  it('leaves thresholds where they are if the recipe does not say', () => {
    const input = trainingInput(taught, skipping, { loss, batch, straightThrough: { temperature: 0.2 } }, 5, planner);
    expect(input.straightThrough).toEqual({ temperature: 0.2 });
  });

  it('teaches by the rows that the recipe names', () => {
    const input = trainingInput(taught, skipping, { loss, batch, straightThrough: { temperature: 0.2, taught: 'skipped' } }, 5, planner);
    expect(input.straightThrough).toEqual({ temperature: 0.2, taught: 'skipped' });
  });

  it('is not there where nothing can skip, or the recipe has none', () => {
    expect(trainingInput(taught, densePlan(2), { loss, batch, straightThrough: straightThrough! }, 5, planner)).not.toHaveProperty(
      'straightThrough',
    );
    expect(trainingInput(taught, skipping, { loss, batch }, 5, planner)).not.toHaveProperty('straightThrough');
  });
});
