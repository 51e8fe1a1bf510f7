import type { GateParameters } from '@gateskip/gate';
import type { GateAdapter, Model } from '@gateskip/model';
import { Random } from '../src/sampling/random.js';

/** Scalar gates of random direction: scores are sigmoid of about a unit normal, which the made-up calibration says. */
export function randomAdapter(model: Model, seed: number): GateAdapter {
  const { layers, hiddenSize } = model.config;
  const random = new Random(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());
  const branches = 2 * layers;
  const gates = Array.from(
    { length: branches },
    (): GateParameters => ({
      weight: Float32Array.from({ length: hiddenSize }, () => normal() / Math.sqrt(hiddenSize)),
      bias: Float32Array.of(0),
    }),
  );
  const standIns = gates.map(() => Float32Array.from({ length: hiddenSize }, () => 0.05 * normal()));
  const levels = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
  // Quantiles of the unit normal at those levels.
  const quantiles = [-4, -1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816, 4].map((x) => 1 / (1 + Math.exp(-x)));
  const protectedBranches = [0, 1];
  const free = (branches - protectedBranches.length) / branches;
  return {
    formatVersion: 1,
    name: 'random',
    modelFingerprint: model.fingerprint,
    modelName: model.config.name,
    layers,
    gates: { spec: { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false }, hiddenSize, gates, standIns },
    calibration: {
      kv: 'project',
      tokens: 1000,
      protectedBranches,
      pinnedTokens: 1,
      curve: levels.map((level, index) => ({
        threshold: index === 0 ? 0 : (quantiles[index] as number),
        skip: level * free,
        net: 1 - 0.9 * level * free,
      })),
      levels,
      branchQuantiles: gates.map(() => quantiles),
    },
    provenance: { method: 'random', command: '', data: 'none', license: 'Apache-2.0', created: '2026-01-01', version: '0.1.0' },
  };
}
