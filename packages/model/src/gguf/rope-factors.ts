import { UnsupportedModelError } from '../errors.js';
import type { ModelConfig, RopeScaling } from '../model-config.js';

/**
 * Divisors that Llama 3 scaling applies to the rotary frequencies, one per pair (Llama 3.1 model card; the same numbers
 * that converters store as `rope_freqs.weight`): 1 for short waves, `factor` for long ones, a blend between.
 */
export function llama3Divisors(config: Pick<ModelConfig, 'ropeSize' | 'ropeTheta'>, scaling: RopeScaling): Float64Array {
  const { factor, lowFrequencyFactor = 1, highFrequencyFactor = 4, originalContextLength = 8192 } = scaling;
  const longest = originalContextLength / lowFrequencyFactor;
  const shortest = originalContextLength / highFrequencyFactor;
  return Float64Array.from({ length: config.ropeSize / 2 }, (_, i) => {
    const wave = 2 * Math.PI * config.ropeTheta ** ((2 * i) / config.ropeSize);
    if (wave < shortest) return 1;
    if (wave > longest) return factor;
    const smooth = (originalContextLength / wave - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * Finds the Llama 3 parameters behind a stored table of divisors. Llama 3.1 and 3.2 use bounds 1 and 4 and an original
 * context of 8192; a table that these do not reproduce to float32 precision is refused.
 */
export function scalingFromDivisors(config: ModelConfig, divisors: Float32Array): RopeScaling | undefined {
  if (divisors.every((value) => value === 1)) return undefined;
  const factor = divisors.reduce((a, b) => Math.max(a, b), 0);
  const scaling: RopeScaling = { kind: 'llama3', factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192 };
  const expected = llama3Divisors(config, scaling);
  const worst = expected.reduce((a, value, i) => Math.max(a, Math.abs(value - (divisors[i] as number)) / value), 0);
  // The converter works in float32: a handful of roundings of 2^-24 each, enlarged by the power's exponent.
  if (!(worst < 1e-4)) {
    throw new UnsupportedModelError(
      `"rope_freqs.weight" does not follow the Llama 3 rule (off by ${worst.toExponential(1)}); other tables are not implemented.`,
    );
  }
  return scaling;
}
