import { UnsupportedError } from '@gateskip/errors';
import type { ModelConfig, RopeScaling } from '@gateskip/model';

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

/** Rotates every head of `x` [heads * headSize] in place to its position (Su et al., 2021). */
export function rotate(x: Float64Array, position: number, frequencies: Float64Array, config: ModelConfig): void {
  const { headSize, ropeLayout } = config;
  const pairs = frequencies.length;
  for (let i = 0; i < pairs; i++) {
    const cosine = Math.cos(position * frequencies[i]!);
    const sine = Math.sin(position * frequencies[i]!);
    const first = ropeLayout === 'interleaved' ? 2 * i : i;
    const second = ropeLayout === 'interleaved' ? 2 * i + 1 : i + pairs;
    for (let base = 0; base < x.length; base += headSize) {
      const a = x[base + first]!;
      const b = x[base + second]!;
      x[base + first] = a * cosine - b * sine;
      x[base + second] = a * sine + b * cosine;
    }
  }
}
