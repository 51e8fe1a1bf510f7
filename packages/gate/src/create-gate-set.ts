import { InvalidArgumentError } from '@gateskip/errors';
import type { GateParameters, GateSet, GateSpec } from './gate-set.js';
import { type GateParameterName, gateParameterShapes, shapeLength } from './parameter-shapes.js';
import { seededNormal } from './seeded-normal.js';
import { branchCount, type ModelShape } from './shape.js';
import { validateGateSpec } from './validate-gate-set.js';

/** How new gates are drawn. */
export interface GateInitialisation {
  /** u32; the same seed gives the same numbers. */
  readonly seed: number;
  /** Start of every bias before the sigmoid: 5 opens the gates, so training starts near the dense model (published). */
  readonly biasStart?: number;
  /** Published: 0.01. */
  readonly weightStandardDeviation?: number;
}

const MOST_LAYERS = 4096;
const MOST_NUMBERS = 2 ** 30;

/**
 * New gates for a model: weights N(0, 0.01), biases 5, as the published code starts (Thiggel/GateSkip). The first bias
 * of `mlp` (inside the silu) starts at 0. Shared gates repeat the same object.
 *
 * @throws InvalidArgumentError for sizes, seeds or start values out of range (at most 2^30 numbers in all)
 */
export function createGateSet(
  spec: GateSpec,
  shape: Pick<ModelShape, 'layers' | 'hiddenSize'>,
  initialisation: GateInitialisation,
): GateSet {
  validateGateSpec(spec);
  const { seed, biasStart = 5, weightStandardDeviation = 0.01 } = initialisation;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new InvalidArgumentError(`Seed must be an integer in 0..4294967295, got ${seed}.`);
  }
  if (!Number.isFinite(biasStart)) throw new InvalidArgumentError(`biasStart must be finite, got ${biasStart}.`);
  if (!(weightStandardDeviation >= 0 && weightStandardDeviation <= 1e3)) {
    throw new InvalidArgumentError(`weightStandardDeviation must be in 0..1000, got ${weightStandardDeviation}.`);
  }
  if (!Number.isInteger(shape.layers) || shape.layers < 1 || shape.layers > MOST_LAYERS) {
    throw new InvalidArgumentError(`Layers must be an integer in 1..${MOST_LAYERS}, got ${shape.layers}.`);
  }
  const shapes = gateParameterShapes(spec, shape.hiddenSize);
  const branches = branchCount(shape);
  const distinct = spec.sharing === 'shared' ? 2 : branches;
  const numbers = distinct * Object.values(shapes).reduce((sum, size) => sum + shapeLength(size), 0);
  if (numbers > MOST_NUMBERS) {
    throw new InvalidArgumentError(
      `These gates have ${numbers} numbers, at most ${MOST_NUMBERS} are allowed.`,
      'Use low-rank or scalar gates, or share them.',
      { what: 'gates', expected: MOST_NUMBERS, got: numbers },
    );
  }
  const normal = seededNormal(seed);
  const draw = (): GateParameters => {
    const entries = Object.entries(shapes).map(([name, size]) => {
      const values = new Float32Array(shapeLength(size));
      if (isBias(name as GateParameterName)) values.fill(name === 'downBias' ? 0 : biasStart);
      else for (let i = 0; i < values.length; i++) values[i] = weightStandardDeviation * normal();
      return [name, values] as const;
    });
    return Object.fromEntries(entries) as unknown as GateParameters;
  };
  const drawn = Array.from({ length: distinct }, draw);
  return { spec, hiddenSize: shape.hiddenSize, gates: Array.from({ length: branches }, (_, branch) => drawn[branch % distinct]!) };
}

function isBias(name: GateParameterName): boolean {
  return name === 'bias' || name === 'downBias' || name === 'scalarBias';
}
