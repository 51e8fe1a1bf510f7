import { UnsupportedError } from '@gateskip/errors';
import type { ModelConfig, RopeScaling } from './model-config.js';

/** Angle per position of each rotated pair: `theta^(-2i / ropeSize)`, stretched where the model asks: [ropeSize / 2]. */
export function rotaryFrequencies(config: ModelConfig): Float64Array {
  const frequencies = new Float64Array(config.ropeSize / 2);
  for (let i = 0; i < frequencies.length; i++) {
    frequencies[i] = stretch(config.ropeTheta ** ((-2 * i) / config.ropeSize), config.ropeScaling);
  }
  return frequencies;
}

function stretch(frequency: number, scaling: RopeScaling | undefined): number {
  if (scaling === undefined) return frequency;
  if (scaling.kind === 'linear') return frequency / scaling.factor;
  if (scaling.kind !== 'llama3') throw new UnsupportedError(`Rope scaling ${String(scaling.kind)} is not known.`);
  // Llama 3: long waves are stretched, short ones kept, those between interpolated by how often they fit the old context.
  const low = scaling.lowFrequencyFactor ?? 1;
  const high = scaling.highFrequencyFactor ?? 4;
  const turns = ((scaling.originalContextLength ?? 8192) * frequency) / (2 * Math.PI);
  if (turns > high) return frequency;
  if (turns < low) return frequency / scaling.factor;
  const share = (turns - low) / (high - low);
  return (1 - share) * (frequency / scaling.factor) + share * frequency;
}
