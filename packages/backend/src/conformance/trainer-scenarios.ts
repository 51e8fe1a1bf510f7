import { branchCount, type GateSpec, type KvMode, type Plan, type Rule, type Scorer } from '@gateskip/gate';
import { createRandomModel, type LayerMatrix, type Model, type ModelConfig } from '@gateskip/model';
import type { ParameterGroup, Trainer, TrainerOptions, TrainStepInput } from '../trainer.js';
import type { TrainLoss } from '../trainer-loss.js';
import { ruleNeedsScores } from '../validate-plan.js';
import { createRandomAdapter } from './random-adapter.js';

/** One training step that a backend must do as the oracle does. */
export interface TrainerScenario {
  readonly name: string;
  readonly config?: Partial<ModelConfig>;
  readonly spec?: Partial<GateSpec>;
  readonly trainable: readonly ParameterGroup[];
  readonly lora?: readonly LayerMatrix[];
  readonly detachGateInput?: boolean;
  readonly scorer?: Scorer;
  /** Of all branches but the first two, which keep; default `keep`. Values of rules that compare scores are tuned. */
  readonly rule?: Rule;
  readonly kv?: KvMode;
  readonly temperature?: number | 'none';
  /** Whether the budget of every segment is held; see `StraightThroughOptions.savings`. Default not. */
  readonly holdsBudget?: boolean;
  /** Default `all`. */
  readonly taught?: 'all' | 'skipped';
  readonly loraStrength?: number;
  /** Of the maps that stand-ins have; default none. */
  readonly standInRank?: number;
  readonly loss: 'cross-entropy' | 'teacher' | 'both' | 'l2' | 'density';
}

const MATRICES: readonly LayerMatrix[] = ['query', 'key', 'value', 'attentionOutput', 'mlpGate', 'mlpUp', 'mlpDown'];
const EVERYTHING: readonly ParameterGroup[] = ['gates', 'standIns', 'lora', 'norms', 'backbone'];
/** Lengths that fill no block of any kernel evenly. */
const SEGMENTS = [13, 1, 19, 6];
export const TRAINER_ROWS = SEGMENTS.reduce((sum, length) => sum + length, 0);
const TEACHER_TOKENS = 7;

export const TRAINER_SCENARIOS: readonly TrainerScenario[] = [
  { name: 'dense, all weights, cross-entropy', trainable: ['norms', 'backbone'], scorer: 'none', loss: 'cross-entropy' },
  {
    name: 'dense, all weights, tied head, half rotation, teacher and cross-entropy',
    config: {
      tiedEmbeddings: true,
      ropeLayout: 'half',
      heads: 6,
      kvHeads: 2,
      headSize: 8,
      ropeSize: 8,
      hiddenSize: 40,
      intermediateSize: 72,
    },
    trainable: ['norms', 'backbone'],
    scorer: 'none',
    loss: 'both',
  },
  { name: 'low-rank additions to all matrices, teacher', trainable: ['lora'], lora: MATRICES, scorer: 'none', loss: 'teacher' },
  {
    name: 'low-rank additions to some matrices, and norms, teacher',
    trainable: ['lora', 'norms'],
    lora: ['query', 'value', 'mlpDown'],
    scorer: 'none',
    loss: 'teacher',
  },
  ...(['project', 'absent', 'alias'] as const).map(
    (kv): TrainerScenario => ({
      name: `straight-through scalar gates, stand-ins, low-rank additions, kv ${kv}`,
      trainable: EVERYTHING,
      lora: MATRICES,
      rule: 'threshold',
      kv,
      temperature: 0.1,
      loss: 'teacher',
    }),
  ),
  {
    name: 'hard skipping without a surrogate',
    trainable: ['standIns', 'lora', 'norms'],
    lora: MATRICES,
    rule: 'threshold',
    kv: 'absent',
    loss: 'teacher',
  },
  { name: 'plain straight-through, fraction', trainable: ['gates', 'standIns'], rule: 'fraction', temperature: 'none', loss: 'teacher' },
  {
    name: 'published: vector gates multiply, quantile, L2, alias',
    spec: { variant: 'vector', multiplies: true },
    trainable: ['gates', 'norms', 'backbone'],
    rule: 'quantile',
    kv: 'alias',
    loss: 'l2',
  },
  ...(['vector', 'mlp', 'low-rank', 'hybrid'] as const).map(
    (variant): TrainerScenario => ({
      name: `${variant} gates multiply and skip straight through, input not detached`,
      spec: { variant, multiplies: true, sharing: variant === 'mlp' ? 'shared' : 'separate' },
      trainable: ['gates', 'standIns', 'norms'],
      detachGateInput: false,
      rule: 'threshold',
      temperature: 0.2,
      loss: variant === 'hybrid' ? 'density' : 'teacher',
    }),
  ),
  ...(['scalar', 'mlp', 'hybrid'] as const).map(
    (variant): TrainerScenario => ({
      name: `budget held, ${variant} gates`,
      spec: { variant, multiplies: variant === 'hybrid' },
      trainable: ['gates', 'standIns', 'lora'],
      lora: MATRICES,
      rule: variant === 'mlp' ? 'quantile' : 'threshold',
      temperature: 0.1,
      holdsBudget: true,
      loss: variant === 'hybrid' ? 'density' : 'teacher',
    }),
  ),
  ...([true, false] as const).map(
    (holdsBudget): TrainerScenario => ({
      name: `skipped rows alone teach scores${holdsBudget ? ', budget held' : ''}`,
      trainable: ['gates', 'standIns'],
      rule: 'threshold',
      temperature: 0.1,
      holdsBudget,
      taught: 'skipped',
      standInRank: 3,
      loss: 'teacher',
    }),
  ),
  {
    name: 'vector gates after the branch',
    spec: { variant: 'vector', multiplies: true, position: 'after' },
    trainable: ['gates', 'norms'],
    detachGateInput: false,
    loss: 'cross-entropy',
  },
  {
    name: 'dropped branches',
    trainable: ['standIns', 'lora', 'norms'],
    lora: MATRICES,
    scorer: 'none',
    rule: 'repeat',
    kv: 'absent',
    loss: 'teacher',
  },
  {
    name: 'skipping by given scores',
    trainable: ['standIns', 'norms'],
    scorer: 'given',
    rule: 'threshold',
    kv: 'alias',
    temperature: 0.1,
    loss: 'cross-entropy',
  },
  {
    name: 'a share of the low-rank additions',
    trainable: ['gates', 'standIns', 'lora'],
    lora: MATRICES,
    rule: 'threshold',
    temperature: 0.1,
    loss: 'teacher',
    loraStrength: 0.375,
  },
  { name: 'none of the low-rank additions', trainable: ['standIns', 'lora'], lora: MATRICES, loss: 'teacher', loraStrength: 0 },
  ...(['project', 'absent'] as const).map(
    (kv): TrainerScenario => ({
      name: `stand-ins with maps, straight through, kv ${kv}`,
      trainable: EVERYTHING,
      lora: MATRICES,
      standInRank: 3,
      rule: 'threshold',
      kv,
      temperature: 0.1,
      loss: 'teacher',
    }),
  ),
  {
    name: 'stand-ins with maps, gates multiply, input not detached',
    spec: { variant: 'low-rank', multiplies: true },
    trainable: ['gates', 'standIns', 'norms'],
    standInRank: 17,
    detachGateInput: false,
    rule: 'threshold',
    temperature: 0.2,
    loss: 'both',
  },
  {
    name: 'maps of frozen stand-ins under dropped branches',
    trainable: ['lora', 'norms'],
    lora: MATRICES,
    standInRank: 2,
    scorer: 'none',
    rule: 'repeat',
    kv: 'alias',
    loss: 'teacher',
  },
  { name: 'random skipping', trainable: ['standIns', 'lora'], lora: MATRICES, scorer: 'random', rule: 'threshold', loss: 'teacher' },
];

export function trainerModel(scenario: TrainerScenario): Model {
  return createRandomModel({ seed: 23, ...(scenario.config && { config: scenario.config }) });
}

export function trainerOptions(scenario: TrainerScenario, model: Model): TrainerOptions {
  const { spec, trainable, lora, detachGateInput, standInRank } = scenario;
  const gates = createRandomAdapter(model, { seed: 29, standIns: true, ...(standInRank && { standInRank }), ...(spec && { spec }) }).gates;
  return {
    gates,
    trainable,
    ...(lora && { lora: { rank: 5, alpha: 8, matrices: lora, seed: 31 } }),
    ...(detachGateInput !== undefined && { detachGateInput }),
    maxRows: TRAINER_ROWS,
  };
}

/** Low-rank additions start without effect; here they have one. The same on every trainer of the scenario. */
export function enliven(trainer: Trainer): void {
  for (const { name, value } of trainer.parameters)
    if (name.endsWith('.loraUp')) for (let i = 0; i < value.length; i++) value[i] = 0.05 * Math.sin(1 + 7 * i);
}

/** The step, with decisions as far from every score as they can be; the oracle's scores say where that is. */
export async function trainerInput(scenario: TrainerScenario, oracle: Trainer): Promise<TrainStepInput> {
  const { config } = oracle;
  const branches = branchCount(config);
  const rule = scenario.rule ?? 'keep';
  const rules = Array.from({ length: branches }, (_, branch): Rule => (branch < 2 ? 'keep' : rule));
  const values = new Float32Array(branches).fill(rule === 'threshold' ? 0.4 : 0);
  const starts = SEGMENTS.map((_, i) => SEGMENTS.slice(0, i).reduce((sum, length) => sum + length, 0));
  const plan: Plan = {
    scorer: scenario.scorer ?? 'gate',
    rules,
    values,
    kv: scenario.kv ?? 'project',
    pinned: Uint8Array.from({ length: TRAINER_ROWS }, (_, row) => (starts.includes(row) ? 1 : 0)),
    seed: 37,
    ...(scenario.loraStrength !== undefined && { loraStrength: scenario.loraStrength }),
    ...(scenario.scorer === 'given' && {
      scores: Float32Array.from({ length: branches * TRAINER_ROWS }, (_, i) => ((i * 29) % 101) / 101),
    }),
  };
  const input: TrainStepInput = {
    tokens: Int32Array.from({ length: TRAINER_ROWS }, (_, row) => (row * row * 7 + 3 * row + 5) % config.vocabularySize),
    segmentLengths: Int32Array.from(SEGMENTS),
    plan,
    ...(scenario.temperature !== undefined && {
      straightThrough: {
        ...(scenario.temperature !== 'none' && { temperature: scenario.temperature }),
        ...(scenario.taught && { taught: scenario.taught }),
        ...(scenario.holdsBudget && { savings: Float64Array.from({ length: branches }, (_, branch) => 1 + ((branch * 5) % 7)) }),
      },
    }),
    loss: lossOf(scenario, config.vocabularySize),
  };
  if (plan.scorer !== 'gate' || !ruleNeedsScores(rule)) return input;
  for (let branch = 2; branch < branches; branch++) {
    const { scores } = await oracle.evaluate({ ...input, want: { scores: true } });
    const free = scores!.slice(branch * TRAINER_ROWS, (branch + 1) * TRAINER_ROWS).filter((_, row) => plan.pinned![row] === 0);
    values[branch] = widest(rule, free.sort());
  }
  return input;
}

/** The middle of the widest gap between the scores that skip about half of the rows, as a score or as a share. */
function widest(rule: Rule, sorted: Float32Array): number {
  let best = Math.floor(sorted.length / 3);
  for (let i = best; i < (2 * sorted.length) / 3; i++) if (sorted[i + 1]! - sorted[i]! > sorted[best + 1]! - sorted[best]!) best = i;
  if (rule === 'threshold') return (sorted[best]! + sorted[best + 1]!) / 2;
  // Half a rank past the lower score: no rounding of the share or of the scores moves a row across.
  return rule === 'quantile' ? (best + 0.5) / (sorted.length - 1) : (best + 1.5) / sorted.length;
}

function lossOf({ loss }: TrainerScenario, vocabularySize: number): TrainLoss {
  const rowWeights = Float32Array.from({ length: TRAINER_ROWS }, (_, row) => [1, 0.5, 0, 2][row % 4]!);
  const targets = Int32Array.from({ length: TRAINER_ROWS }, (_, row) => (row % 5 === 4 ? -1 : (row * 11 + 1) % vocabularySize));
  const hard: TrainLoss = { crossEntropy: { targets, weight: loss === 'both' ? 0.5 : 1 } };
  const teacher = { rowWeights, teacher: { ...randomTeacher(vocabularySize), weight: 1.5 } };
  switch (loss) {
    case 'cross-entropy':
      return hard;
    case 'teacher':
      return teacher;
    case 'both':
      return { ...teacher, ...hard };
    case 'l2':
      return {
        ...hard,
        gates: { kind: 'l2', weight: 1, rows: Uint8Array.from({ length: TRAINER_ROWS }, (_, row) => (row % 6 === 5 ? 0 : 1)) },
      };
    case 'density':
      return { ...teacher, gates: { kind: 'density', weight: 1, density: 0.7 } };
  }
}

/** Uneven probabilities over some tokens, and an eighth for the others. */
function randomTeacher(vocabularySize: number) {
  const tokens = new Int32Array(TRAINER_ROWS * TEACHER_TOKENS);
  const logProbabilities = new Float32Array(tokens.length);
  for (let row = 0; row < TRAINER_ROWS; row++) {
    const weights = Array.from({ length: TEACHER_TOKENS }, (_, k) => 1 / (1 + ((3 * k + row) % TEACHER_TOKENS)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let k = 0; k < TEACHER_TOKENS; k++) {
      tokens[row * TEACHER_TOKENS + k] = (row * 13 + 17 * k) % vocabularySize;
      logProbabilities[row * TEACHER_TOKENS + k] = Math.log((0.875 * weights[k]!) / total);
    }
  }
  return { count: TEACHER_TOKENS, tokens, logProbabilities, tailMass: new Float32Array(TRAINER_ROWS).fill(0.125) };
}
