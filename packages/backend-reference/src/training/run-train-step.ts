import { MacCounter, type PreparedTrainStep, type TrainStepInput, type TrainStepResult } from '@gateskip/backend';
import { branchCount } from '@gateskip/gate';
import { rmsNorm } from '../ops/rms-norm.js';
import type { Pacer } from '../pacer.js';
import { attentionSublayer } from './attention-sublayer.js';
import { type BranchTape, GatedBranch } from './gated-branch.js';
import { holdBudgets } from './held-budget.js';
import type { LayerKeyValues } from './key-values.js';
import { layerAtStrength } from './layer-at-strength.js';
import { mlpSublayer } from './mlp-sublayer.js';
import { rmsNormBackward } from './rms-norm-backward.js';
import { agrees, crossEntropy, teacherDivergence } from './token-losses.js';
import type { TrainingGates, TrainingModel } from './training-model.js';

/** Forward of one checked micro-batch and, where wanted, backward into the gradients of what is trainable. */
export async function runTrainStep(
  model: TrainingModel,
  input: TrainStepInput,
  prepared: PreparedTrainStep,
  pacer: Pacer,
  withGradients: boolean,
): Promise<TrainStepResult> {
  return new TrainStep(model, input, prepared, pacer, withGradients).execute();
}

/** What the count needs of the gates. */
function countedGates(gates: TrainingGates | undefined, hiddenSize: number): ConstructorParameters<typeof MacCounter>[1] {
  if (gates === undefined) return undefined;
  const standInMaps = gates.standInMaps?.map(({ down, up }) => ({ down: down.value, up: up.value }));
  return { spec: gates.spec, hiddenSize, ...(standInMaps && { standInMaps }) };
}

class TrainStep {
  readonly #model: TrainingModel;
  readonly #input: TrainStepInput;
  readonly #prepared: PreparedTrainStep;
  readonly #pacer: Pacer;
  readonly #withGradients: boolean;
  /** The residual stream: N rows of [d]. */
  readonly #stream: readonly Float64Array[];
  /** Gradient of the loss with respect to it, at the place that backward has reached. */
  readonly #dStream: readonly Float64Array[];
  readonly #keyValues: readonly LayerKeyValues[];
  readonly #counter: MacCounter;
  readonly #kept: Uint32Array;
  readonly #scores: Float32Array | undefined;
  readonly #keptRows: Uint8Array | undefined;
  readonly #gains: Float32Array | undefined;
  #gateLoss = 0;

  constructor(model: TrainingModel, input: TrainStepInput, prepared: PreparedTrainStep, pacer: Pacer, withGradients: boolean) {
    const { config, tokenEmbedding } = model;
    const { rows, segmentStart } = prepared;
    const d = config.hiddenSize;
    const branches = branchCount(config);
    this.#model = model;
    this.#input = input;
    this.#prepared = prepared;
    this.#pacer = pacer;
    this.#withGradients = withGradients;
    this.#stream = Array.from(input.tokens, (token) => Float64Array.from(tokenEmbedding.value.subarray(token * d, (token + 1) * d)));
    this.#dStream = withGradients ? this.#stream.map(() => new Float64Array(d)) : [];
    this.#keyValues = model.layers.map(() => ({ rows: new Array(rows).fill(undefined), projected: new Uint8Array(rows) }));
    this.#counter = new MacCounter(config, countedGates(model.gates, config.hiddenSize), [input.plan]);
    for (let row = 0; row < rows; row++) this.#counter.addDenseRow(0, row - segmentStart[row]!);
    this.#kept = new Uint32Array(branches);
    this.#scores = input.want?.scores ? new Float32Array(branches * rows) : undefined;
    this.#keptRows = input.want?.keptRows ? new Uint8Array(branches * rows) : undefined;
    this.#gains = input.want?.gains ? new Float32Array(branches * rows) : undefined;
  }

  async execute(): Promise<TrainStepResult> {
    const branches = Array.from(this.#kept, (_, index) => this.#branch(index));
    const inputs: (readonly Float64Array[])[] = [];
    const tapes: (BranchTape | undefined)[] = [];
    for (const [index, branch] of branches.entries()) {
      if (this.#withGradients) inputs[index] = this.#stream.map((row) => row.slice());
      const tape = await branch.forward(this.#stream, false);
      this.#account(index, branch, tape);
      if (this.#withGradients && !this.#model.recompute) tapes[index] = tape;
    }
    const result = await this.#head();
    for (let index = branches.length - 1; this.#withGradients && index >= 0; index--) {
      const branch = branches[index]!;
      const replayed = () =>
        branch.forward(
          inputs[index]!.map((row) => row.slice()),
          true,
        );
      await branch.backward(inputs[index]!, tapes[index] ?? (await replayed()), this.#dStream);
      this.#gains?.set(branch.gains, index * this.#prepared.rows);
      delete tapes[index];
      delete inputs[index];
    }
    if (this.#withGradients && this.#input.straightThrough?.savings) holdBudgets(branches, this.#prepared.segmentStart);
    if (this.#withGradients) this.#embeddingBackward();
    return result;
  }

  #branch(index: number): GatedBranch {
    const layer = index >> 1;
    const weights = layerAtStrength(this.#model.layers[layer]!, this.#input.plan.loraStrength ?? 1);
    const context = {
      config: this.#model.config,
      frequencies: this.#model.frequencies,
      positions: this.#prepared.positions,
      segmentStart: this.#prepared.segmentStart,
      kv: this.#input.plan.kv,
      pacer: this.#pacer,
    };
    const sublayer =
      index % 2 === 0 ? attentionSublayer(weights, context, this.#keyValues[layer]!, this.#keyValues[layer - 1]) : mlpSublayer(weights);
    return new GatedBranch(index, sublayer, this.#model, this.#input, this.#prepared, this.#pacer);
  }

  /** What inference would spend, and what the caller wanted to see. */
  #account(index: number, branch: GatedBranch, tape: BranchTape): void {
    const { rows, segmentStart } = this.#prepared;
    const counter = this.#counter;
    const { rows: keyValues, projected } = this.#keyValues[index >> 1]!;
    if (branch.ranksByGate) counter.addGates(0, rows);
    let visible = 0;
    for (let row = 0; row < rows; row++) {
      if (row === segmentStart[row]) visible = 0;
      const isKept = tape.skipped[row] === 0;
      if (index % 2 === 0) {
        if (keyValues[row] !== undefined) visible++;
        if (isKept) counter.addAttention(0, visible);
        else if (projected[row] === 1) counter.addKeyValue(0);
      } else if (isKept) counter.addMlp(0);
      if (!isKept) {
        counter.addStandIn(0);
        continue;
      }
      if (branch.multiplies && !branch.ranksByGate) counter.addGates(0, 1);
      this.#kept[index]!++;
      if (this.#keptRows !== undefined) this.#keptRows[index * rows + row] = 1;
    }
    this.#scores?.set(tape.scores, index * rows);
    this.#gateLoss += tape.gateLoss;
  }

  /** Output norm, head and losses row by row; the gradient of each row's logits goes down at once. */
  async #head(): Promise<TrainStepResult> {
    const { config, outputNorm, output } = this.#model;
    const { loss, want } = this.#input;
    const { rows, lossRows, crossEntropyShare, teacherShare } = this.#prepared;
    const wanted = new Map(Array.from(want?.logits ?? [], (row, place) => [row, place] as const));
    const shown = want?.logits && new Float32Array(want.logits.length * config.vocabularySize);
    const counts = new Set(lossRows);
    const sums = { crossEntropy: 0, teacher: 0, agreement: 0, shares: 0 };
    for (const row of [...new Set([...lossRows, ...wanted.keys()])].sort((a, b) => a - b)) {
      const x = this.#stream[row]!;
      const normed = rmsNorm(x, outputNorm.value, config.rmsNormEpsilon, new Float64Array(x.length));
      const logits = output.forward(normed, new Float64Array(config.vocabularySize));
      const place = wanted.get(row);
      if (place !== undefined) shown!.set(logits, place * config.vocabularySize);
      await this.#pacer.pause();
      if (!counts.has(row)) continue;
      const dLogits = new Float64Array(config.vocabularySize);
      const hard = crossEntropyShare[row]!;
      if (hard > 0) {
        const { targets, weight } = loss.crossEntropy!;
        sums.crossEntropy += hard * crossEntropy(logits, targets[row]!, weight * hard, dLogits);
      }
      const soft = teacherShare[row]!;
      if (soft > 0) {
        const teacher = loss.teacher!;
        sums.teacher += soft * teacherDivergence(logits, teacher, row, teacher.weight * soft, dLogits);
        sums.shares += soft;
        if (agrees(logits, teacher, row)) sums.agreement += soft;
      }
      if (!this.#withGradients) continue;
      const dNormed = new Float64Array(x.length);
      output.backward(normed, dLogits, dNormed);
      rmsNormBackward(x, outputNorm, config.rmsNormEpsilon, dNormed, this.#dStream[row]!);
    }
    const kept = this.#kept.reduce((sum, count) => sum + count, 0);
    const weighted = (part: { readonly weight: number } | undefined, value: number) => (part === undefined ? 0 : part.weight * value);
    return {
      loss: weighted(loss.crossEntropy, sums.crossEntropy) + weighted(loss.teacher, sums.teacher) + weighted(loss.gates, this.#gateLoss),
      parts: {
        ...(loss.crossEntropy && { crossEntropy: sums.crossEntropy }),
        ...(loss.teacher && { teacher: sums.teacher }),
        ...(loss.gates && { gates: this.#gateLoss }),
      },
      lossRows: lossRows.length,
      ...(loss.teacher && { teacherAgreement: sums.shares === 0 ? 0 : sums.agreement / sums.shares }),
      kept: this.#kept,
      skipShare: 1 - kept / (rows * this.#kept.length),
      macs: this.#counter.macs[0]!,
      denseMacs: this.#counter.denseMacs[0]!,
      ...(this.#scores && { scores: this.#scores }),
      ...(this.#keptRows && { keptRows: this.#keptRows }),
      ...(this.#gains && { gains: this.#gains }),
      ...(shown && { logits: shown }),
    };
  }

  #embeddingBackward(): void {
    const { gradient } = this.#model.tokenEmbedding;
    if (gradient === undefined) return;
    for (const [row, slopes] of this.#dStream.entries()) {
      const start = this.#input.tokens[row]! * slopes.length;
      for (let i = 0; i < slopes.length; i++) gradient[start + i]! += slopes[i]!;
    }
  }
}
