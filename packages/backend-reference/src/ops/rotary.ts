import type { ModelConfig } from '@gateskip/model';

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
