import { branchCount, type Calibration, type GateParameters, type GateSet, type GateSpec, type StandInMap } from '@gateskip/gate';
import {
  type BackboneChanges,
  bfloatToFloat,
  floatToBfloat,
  type GateAdapter,
  type LayerMatrix,
  layerMatrices,
  type Model,
  normNames,
  tensorShapes,
} from '@gateskip/model';

export interface RandomAdapterOptions {
  readonly seed: number;
  /** What differs from a scalar gate per branch that only scores. */
  readonly spec?: Partial<GateSpec>;
  /** Whether branches have stand-in vectors; default false. */
  readonly standIns?: boolean;
  /** Rank of the maps that stand-ins have; default 0, none. Only with `standIns`. */
  readonly standInRank?: number;
  /** Whether the numbers of those maps are such that bfloat16 holds them exactly, as in files; default false. */
  readonly standInBfloat?: boolean;
  /** Low-rank additions of about the size of what the matrices of a random model give; default none. */
  readonly lora?: RandomLora;
  /** Whether norm weights are replaced; default false. */
  readonly norms?: boolean;
}

export interface RandomLora {
  readonly rank: number;
  /** Default: all. */
  readonly matrices?: readonly LayerMatrix[];
  /** Whether the numbers are such that bfloat16 holds them exactly, as in files; default false. */
  readonly bfloat?: boolean;
}

/** Deviation of the gates' logits on normed inputs: scores then fill (0, 1) without sticking to its ends. */
const LOGIT_DEVIATION = 1.5;

/**
 * An adapter of seeded random gates for any model. All variants share one idea: every output dimension follows one
 * common direction plus some noise of its own, so that the mean over dimensions spreads like a single gate does.
 * The calibration is what gates of that spread would have, not a measurement.
 */
export function createRandomAdapter(model: Pick<Model, 'config' | 'fingerprint'>, options: RandomAdapterOptions): GateAdapter {
  const { config } = model;
  const spec: GateSpec = {
    variant: 'scalar',
    sharing: 'separate',
    position: 'before',
    multiplies: false,
    rank: 4,
    hidden: 8,
    ...options.spec,
  };
  const normal = normalSource(options.seed);
  const d = config.hiddenSize;
  const branches = branchCount(config);
  const gates: GateParameters[] = [];
  for (let branch = 0; branch < branches; branch++) {
    gates.push(spec.sharing === 'shared' && branch >= 2 ? gates[branch % 2]! : randomGate(spec, d, normal));
  }
  const standIns = options.standIns ? gates.map(() => filled(d, () => 0.3 * normal())) : undefined;
  const standInMaps = options.standInRank
    ? gates.map(() => randomStandInMap(d, options.standInRank!, options.standInBfloat ?? false, normal))
    : undefined;
  const gateSet: GateSet = { spec, hiddenSize: d, gates, ...(standIns && { standIns }), ...(standInMaps && { standInMaps }) };
  const backbone = randomBackbone(config, options, normal);
  return {
    formatVersion: backbone ? 2 : 1,
    name: `random-${spec.variant}-${options.seed}`,
    modelFingerprint: model.fingerprint,
    modelName: config.name,
    layers: config.layers,
    gates: gateSet,
    ...(backbone && { backbone }),
    calibration: assumedCalibration(config.layers, branches),
    provenance: {
      method: 'random',
      command: `createRandomAdapter(model, { seed: ${options.seed} })`,
      data: 'none',
      license: 'Apache-2.0',
      created: '2026-01-01',
      version: '0.1.0',
    },
  };
}

function randomStandInMap(d: number, rank: number, bfloat: boolean, normal: () => number): StandInMap {
  const draw = (deviation: number) => () => (bfloat ? toBfloat(deviation * normal()) : deviation * normal());
  return { down: filled(rank * d, draw(1 / Math.sqrt(d))), up: filled(d * rank, draw(0.3 / Math.sqrt(rank))) };
}

function randomBackbone(config: Model['config'], { lora, norms }: RandomAdapterOptions, normal: () => number): BackboneChanges | undefined {
  if (!lora && !norms) return undefined;
  const shapes = tensorShapes(config);
  const { rank = 1, matrices = layerMatrices, bfloat = false } = lora ?? {};
  const round = (value: number): number => (bfloat ? toBfloat(value) : value);
  const factors = (layer: number, matrix: LayerMatrix) => {
    const [rows, columns] = shapes.get(`layers.${layer}.${matrix}`)!;
    const down = filled(rank * columns, () => round(normal() / Math.sqrt(columns)));
    return [matrix, { down, up: filled(rows * rank, () => round(normal() / Math.sqrt(rank))) }] as const;
  };
  const layers = () =>
    Array.from({ length: config.layers }, (_, layer) => Object.fromEntries(matrices.map((matrix) => factors(layer, matrix))));
  return {
    // An alpha that is not the rank, so that the scale matters.
    ...(lora && { lora: { rank, alpha: 0.5 * rank, matrices, layers: layers() } }),
    ...(norms && { norms: new Map(normNames(config.layers).map((name) => [name, filled(config.hiddenSize, () => 1 + 0.3 * normal())])) }),
  };
}

function randomGate(spec: GateSpec, d: number, normal: () => number): GateParameters {
  const direction = filled(d, () => (LOGIT_DEVIATION / Math.sqrt(d)) * normal());
  const noise = (width: number) => (0.4 / Math.sqrt(width)) * normal();
  const bias = () => filled(d, () => 0.3 * normal());
  const followers = () => filled(d * d, (i) => direction[i % d]! + noise(d)); // [d, d]: each row is the direction and noise
  switch (spec.variant) {
    case 'scalar':
      return { weight: direction, bias: filled(1, () => 0.3 * normal()) };
    case 'vector':
      return { weight: followers(), bias: bias() };
    case 'hybrid':
      return {
        weight: followers(),
        bias: bias(),
        scalarWeight: filled(d, () => noise(d)),
        scalarBias: filled(1, () => 1 + 0.3 * normal()),
      };
    case 'low-rank': {
      const rank = spec.rank ?? 4;
      const down = filled(rank * d, (i) => (i < d ? direction[i]! : normal() / Math.sqrt(d))); // [rank, d], the direction first
      return { weight: filled(d * rank, (i) => (i % rank === 0 ? 1 : noise(rank))), bias: bias(), down };
    }
    case 'mlp': {
      const hidden = spec.hidden ?? 8;
      // silu(z) - silu(-z) = z: the first two hidden units carry the direction through the non-linearity.
      const down = filled(hidden * d, (i) => (i < d ? direction[i]! : i < 2 * d ? -direction[i - d]! : normal() / Math.sqrt(d)));
      const weight = filled(d * hidden, (i) => (i % hidden === 0 ? 1 : i % hidden === 1 ? -1 : noise(hidden)));
      return { weight, bias: bias(), down, downBias: filled(hidden, (i) => (i < 2 ? 0 : 0.3 * normal())) };
    }
  }
}

function assumedCalibration(layers: number, branches: number): Calibration {
  const levels = Array.from({ length: 21 }, (_, i) => i / 20);
  const share = (threshold: number) => normalShare(Math.log(threshold / (1 - threshold)) / LOGIT_DEVIATION);
  const protectedBranches = layers > 4 ? [0, 1, 2, 3, branches - 1] : [];
  const free = (branches - protectedBranches.length) / branches;
  const thresholds = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
  const curve = [0, ...thresholds].map((threshold) => {
    const skip = threshold === 0 ? 0 : free * share(threshold);
    return { threshold, skip, net: 1 - 0.95 * skip };
  });
  // Quantiles on a grid: the lowest threshold whose share reaches the level.
  const grid = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000);
  const quantiles = levels.map((level) => grid.find((threshold) => share(threshold) >= level) ?? 0.999);
  return {
    kv: 'project',
    tokens: 4096,
    protectedBranches,
    pinnedTokens: 1,
    curve,
    levels,
    branchQuantiles: Array.from({ length: branches }, () => quantiles),
    branchSkips: curve.map(({ skip }) =>
      Array.from({ length: branches }, (_, branch) => (protectedBranches.includes(branch) ? 0 : skip / free)),
    ),
  };
}

/** Share of a standard normal distribution below x; logistic approximation, within 0.02. */
function normalShare(x: number): number {
  return 1 / (1 + Math.exp(-1.702 * x));
}

function filled(length: number, value: (index: number) => number): Float32Array {
  return Float32Array.from({ length }, (_, index) => value(index));
}

/** Normal deviates by Box and Muller over a splitmix32 stream: equal on every machine up to the last bit of log and cos. */
function normalSource(seed: number): () => number {
  let state = (seed ^ 0x5eed5eed) >>> 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (((z ^ (z >>> 15)) >>> 0) + 0.5) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

const toBfloat = (value: number): number => bfloatToFloat(floatToBfloat(value));
