import type { PreparedTrainStep, TrainStepInput } from '@gateskip/backend';
import { branchCount } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { NativeTrainRequest } from './addon.js';
import type { PlanEncoder } from './encode-plan.js';

const GATE_LOSS_CODES = { l2: 1, l1: 2, density: 3 } as const;

/** A checked step as the addon reads it, with the arrays that it fills. */
export function trainerStepRequest(
  input: TrainStepInput,
  prepared: PreparedTrainStep,
  config: ModelConfig,
  encoder: PlanEncoder,
  withGradients: boolean,
): NativeTrainRequest {
  const { tokens, plan, straightThrough, loss, want } = input;
  const { rows, positions, segmentStart, lossRows, crossEntropyShare, teacherShare, regularised } = prepared;
  const { crossEntropy, teacher, gates } = loss;
  const branches = branchCount(config);
  return {
    tokens,
    positions,
    segmentStart,
    lossRows,
    plan: encoder.encode(plan),
    withGradients,
    straightThrough: straightThrough !== undefined,
    temperature: straightThrough?.temperature ?? 0,
    teachesSkippedOnly: straightThrough?.taught === 'skipped',
    ...(straightThrough?.savings && { savings: straightThrough.savings }),
    ...(crossEntropy && { crossEntropy: { targets: crossEntropy.targets, shares: crossEntropyShare, weight: crossEntropy.weight } }),
    ...(teacher && {
      teacher: {
        count: teacher.count,
        tokens: teacher.tokens,
        logProbabilities: teacher.logProbabilities,
        tailMass: teacher.tailMass,
        shares: teacherShare,
        weight: teacher.weight,
      },
    }),
    ...(gates && {
      gateLoss: {
        kind: GATE_LOSS_CODES[gates.kind],
        weight: gates.weight,
        density: gates.density ?? 0,
        rows: gates.rows,
        branches: Uint8Array.from({ length: branches }, (_, branch) => (regularised.includes(branch) ? 1 : 0)),
      },
    }),
    keptRows: new Uint8Array(branches * rows),
    ...(want?.scores && { scores: new Float32Array(branches * rows) }),
    ...(want?.gains && { gains: new Float32Array(branches * rows).fill(Number.NaN) }),
    ...(want?.logits && { wantedRows: want.logits, logits: new Float32Array(want.logits.length * config.vocabularySize) }),
    numbers: new Float64Array(5),
  };
}
