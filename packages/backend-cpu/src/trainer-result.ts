import { MacCounter, type PreparedTrainStep, ruleNeedsScores, type TrainStepInput, type TrainStepResult } from '@gateskip/backend';
import { branchCount, type GateSet } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { NativeTrainRequest } from './addon.js';

/** What a step filled, as the contract tells it. */
export function trainerResult(
  request: NativeTrainRequest,
  input: TrainStepInput,
  prepared: PreparedTrainStep,
  config: ModelConfig,
  gateSet: GateSet | undefined,
): TrainStepResult {
  const { loss, want } = input;
  const { rows, lossRows } = prepared;
  const { keptRows, scores, gains, logits, numbers } = request;
  const [crossEntropy, teacher, gates, agreement, shares] = numbers as unknown as [number, number, number, number, number];
  const branches = branchCount(config);
  const kept = new Uint32Array(branches);
  for (let i = 0; i < keptRows.length; i++) kept[Math.floor(i / rows)]! += keptRows[i]!;
  const { macs, denseMacs } = countMacs(keptRows, input, prepared, config, gateSet);
  const weighted = (part: { readonly weight: number } | undefined, value: number) => (part === undefined ? 0 : part.weight * value);
  return {
    loss: weighted(loss.crossEntropy, crossEntropy) + weighted(loss.teacher, teacher) + weighted(loss.gates, gates),
    parts: {
      ...(loss.crossEntropy && { crossEntropy }),
      ...(loss.teacher && { teacher }),
      ...(loss.gates && { gates }),
    },
    lossRows: lossRows.length,
    ...(loss.teacher && { teacherAgreement: shares === 0 ? 0 : agreement / shares }),
    kept,
    skipShare: 1 - kept.reduce((sum, count) => sum + count, 0) / (rows * branches),
    macs,
    denseMacs,
    ...(scores && { scores }),
    ...(want?.keptRows && { keptRows }),
    ...(gains && { gains }),
    ...(logits && { logits }),
  };
}

/** What inference would spend on these rows. */
function countMacs(
  keptRows: Uint8Array,
  { plan }: TrainStepInput,
  { rows, segmentStart }: PreparedTrainStep,
  config: ModelConfig,
  gates: GateSet | undefined,
): { macs: number; denseMacs: number } {
  const counter = new MacCounter(config, gates, [plan]);
  const multiplies = plan.scorer === 'gate' && gates?.spec.multiplies === true;
  let present = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) counter.addDenseRow(0, row - segmentStart[row]!);
  for (let branch = 0; branch < branchCount(config); branch++) {
    const ranks = plan.scorer === 'gate' && ruleNeedsScores(plan.rules[branch]!);
    if (ranks) counter.addGates(0, rows);
    const projectsAll = plan.kv === 'project' || (plan.kv === 'alias' && branch === 0);
    const left = new Uint8Array(rows);
    let visible = 0;
    for (let row = 0; row < rows; row++) {
      const isKept = keptRows[branch * rows + row] === 1;
      if (branch % 2 === 0) {
        if (row === segmentStart[row]) visible = 0;
        left[row] = isKept || projectsAll || (plan.kv === 'alias' && present[row] === 1) ? 1 : 0;
        visible += left[row]!;
        if (isKept) counter.addAttention(0, visible);
        else if (projectsAll) counter.addKeyValue(0);
      } else if (isKept) counter.addMlp(0);
      if (!isKept) counter.addStandIn(0);
      if (isKept && multiplies && !ranks) counter.addGates(0, 1);
    }
    if (branch % 2 === 0) present = left;
  }
  return { macs: counter.macs[0]!, denseMacs: counter.denseMacs[0]! };
}
