import { MacCounter, type PreparedStep, ruleNeedsScores, type StepInput, type StepResult } from '@gateskip/backend';
import { branchCount, type GateSet, type Plan, randomScore } from '@gateskip/gate';
import { type LoraChanges, loraRowCosts, type ModelConfig } from '@gateskip/model';
import { attentionBranch, type Branch, type BranchContext, mlpBranch } from './branch.js';
import type { RunWeights } from './change-weights.js';
import type { KvPool } from './kv-pool.js';
import { type GateRow, gateRow, weigh } from './ops/gate.js';
import { linear } from './ops/linear.js';
import { rmsNorm, squaredNorm } from './ops/rms-norm.js';
import { skippedRows } from './ops/skipped-rows.js';
import { standInOf } from './ops/stand-in.js';
import { pickedLogits, topLogits } from './ops/top-logits.js';
import { Pacer } from './pacer.js';
import { PendingRows } from './pending-rows.js';
import type { Sequence } from './sequence.js';

/** A loaded model, as far as a step needs it. */
export interface LoadedModel {
  readonly config: ModelConfig;
  readonly weights: RunWeights;
  readonly gates: GateSet | undefined;
  /** What {@link weights} hold already; for the count. */
  readonly lora: LoraChanges | undefined;
  readonly frequencies: Float64Array;
  readonly pool: KvPool;
}

/** Runs a checked step. The sequences change at the very end, in one go; on any error they are as before. */
export async function runStep(
  model: LoadedModel,
  input: StepInput,
  plans: readonly Plan[],
  prepared: PreparedStep,
  sequences: readonly Sequence[],
  signal: AbortSignal | undefined,
): Promise<StepResult> {
  const pending = new PendingRows(model.pool, input.segments, sequences, model.config.layers);
  try {
    const run = new StepRun(model, input, plans, prepared, pending, new Pacer(signal));
    const result = await run.execute();
    pending.commit();
    return result;
  } catch (error) {
    pending.rollback();
    throw error;
  }
}

class StepRun {
  readonly #model: LoadedModel;
  readonly #input: StepInput;
  readonly #context: BranchContext;
  readonly #rowsOfPlan: readonly (readonly number[])[];
  /** The residual stream: [R] rows of [d]. */
  readonly #stream: readonly Float64Array[];
  readonly #kept: Uint32Array;
  readonly #scores: Float32Array | undefined;
  readonly #keptRows: Uint8Array | undefined;
  readonly #hidden: { inputs: Float32Array; outputs: Float32Array; streamSquaredNorms: Float32Array } | undefined;

  constructor(model: LoadedModel, input: StepInput, plans: readonly Plan[], prepared: PreparedStep, pending: PendingRows, pacer: Pacer) {
    const { config, frequencies, weights } = model;
    const { rows } = prepared;
    const d = config.hiddenSize;
    const branches = branchCount(config);
    const counter = new MacCounter(config, model.gates, plans, loraRowCosts(config, model.lora));
    for (let row = 0; row < rows; row++) counter.addDenseRow(prepared.planOfRow[row]!, prepared.positions[row]!);
    this.#model = model;
    this.#input = input;
    this.#context = {
      config,
      frequencies,
      prepared,
      plans,
      segmentStarts: input.segments.map(({ start }) => start),
      pending,
      counter,
      pacer,
    };
    const rowsOfPlan = plans.map((): number[] => []);
    for (let row = 0; row < rows; row++) rowsOfPlan[prepared.planOfRow[row]!]!.push(row);
    this.#rowsOfPlan = rowsOfPlan;
    this.#stream = Array.from(input.tokens, (token) => Float64Array.from(weights.tokenEmbedding.subarray(token * d, (token + 1) * d)));
    this.#kept = new Uint32Array(plans.length * branches);
    this.#scores = input.want?.scores ? new Float32Array(branches * rows).fill(Number.NaN) : undefined;
    this.#keptRows = input.want?.keptRows ? new Uint8Array(branches * rows) : undefined;
    this.#hidden = input.want?.hidden
      ? {
          inputs: new Float32Array(branches * rows * d),
          outputs: new Float32Array(branches * rows * d),
          streamSquaredNorms: new Float32Array(branches * rows),
        }
      : undefined;
  }

  async execute(): Promise<StepResult> {
    const { weights } = this.#model;
    for (const [layer, layerWeights] of weights.layers.entries()) {
      await this.#runBranch(2 * layer, attentionBranch(layer, layerWeights, this.#context));
      await this.#runBranch(2 * layer + 1, mlpBranch(layerWeights, this.#context));
    }
    const logits = await this.#head();
    const { topCount } = this.#context.prepared;
    const { macs, denseMacs } = this.#context.counter;
    const { vocabularySize } = this.#model.config;
    const { picks } = this.#input;
    return {
      ...(topCount === undefined ? { logits } : { top: topLogits(logits, vocabularySize, topCount) }),
      ...(picks && { picked: pickedLogits(logits, vocabularySize, picks) }),
      kept: this.#kept,
      macs,
      denseMacs,
      ...(this.#scores && { scores: this.#scores }),
      ...(this.#keptRows && { keptRows: this.#keptRows }),
      ...(this.#hidden && { hidden: this.#hidden }),
    };
  }

  async #runBranch(index: number, branch: Branch): Promise<void> {
    const { config, prepared, pacer, counter } = this.#context;
    const { rows, planOfRow } = prepared;
    const normed = this.#stream.map((row) => rmsNorm(row, branch.norm, config.rmsNormEpsilon, new Float64Array(config.hiddenSize)));
    const gates: (GateRow | undefined)[] = [];
    const scores = new Float32Array(rows).fill(Number.NaN);
    for (let row = 0; row < rows; row++) {
      gates[row] = this.#gateBefore(index, row, normed[row]!);
      scores[row] = this.#score(index, row, gates[row]);
      if (pacer.isDue) await pacer.pause();
    }
    const skipped = this.#decide(index, scores);
    await branch.prepare(normed, skipped);
    for (let row = 0; row < rows; row++) {
      const plan = this.#context.plans[planOfRow[row]!]!;
      const before = squaredNorm(this.#stream[row]!);
      let added: Float64Array | undefined;
      if (skipped[row] === 1) {
        added = this.#addStandIn(index, row, plan, normed[row]!);
        counter.addStandIn(planOfRow[row]!);
      } else {
        const times = plan.rules[index] === 'repeat' && plan.values[index] === 2 ? 2 : 1;
        branch.count(row, times);
        if (this.#multiplies(plan) && !(ruleNeedsScores(plan.rules[index]!) && plan.scorer === 'gate'))
          counter.addGates(planOfRow[row]!, times);
        added = this.#runRow(index, row, branch, plan, normed[row]!, gates[row], times, scores);
        this.#kept[planOfRow[row]! * 2 * config.layers + index]!++;
      }
      this.#record(index, row, normed[row]!, added, before, skipped[row] === 0);
      if (pacer.isDue) await pacer.pause();
    }
    this.#scores?.set(scores, index * rows);
    await pacer.pause();
  }

  /** The gate of a row that reads the branch's input, where its score or its product is wanted. */
  #gateBefore(index: number, row: number, normed: Float64Array): GateRow | undefined {
    const { gates } = this.#model;
    const planIndex = this.#context.prepared.planOfRow[row]!;
    const plan = this.#context.plans[planIndex]!;
    if (gates?.spec.position !== 'before') return undefined;
    const isRanked = plan.scorer === 'gate' && ruleNeedsScores(plan.rules[index]!);
    if (isRanked) this.#context.counter.addGates(planIndex, 1);
    const isWanted = this.#scores !== undefined && !scoresWithoutGates(plan);
    return isRanked || isWanted || this.#multiplies(plan) ? gateRow(gates.spec, gates.gates[index]!, normed) : undefined;
  }

  #score(index: number, row: number, gate: GateRow | undefined): number {
    const { prepared, plans } = this.#context;
    const plan = plans[prepared.planOfRow[row]!]!;
    if (plan.scorer === 'random') return randomScore(plan.seed ?? 0, prepared.positions[row]!, index);
    if (plan.scorer === 'given') return plan.scores![index * prepared.rows + row]!;
    return gate?.score ?? Number.NaN;
  }

  #multiplies(plan: Plan): boolean {
    return plan.scorer === 'gate' && this.#model.gates?.spec.multiplies === true;
  }

  #decide(index: number, scores: Float32Array): Uint8Array {
    const skipped = new Uint8Array(scores.length);
    for (const [planIndex, plan] of this.#context.plans.entries()) {
      const rows = this.#rowsOfPlan[planIndex]!;
      const planScores = Float32Array.from(rows, (row) => scores[row]!);
      const pinned = Uint8Array.from(rows, (row) => (plan.pinned?.[row] ? 1 : 0));
      const planSkipped = skippedRows(plan.rules[index]!, plan.values[index]!, planScores, pinned);
      for (const [i, row] of rows.entries()) skipped[row] = planSkipped[i]!;
    }
    return skipped;
  }

  #addStandIn(index: number, row: number, plan: Plan, normed: Float64Array): Float64Array | undefined {
    const { gates } = this.#model;
    const standIn = plan.standIns === false ? undefined : gates?.standIns?.[index];
    if (standIn === undefined) return undefined;
    const added = standInOf(standIn, gates?.standInMaps?.[index], normed);
    add(this.#stream[row]!, added);
    return added;
  }

  /** Runs a kept row and adds the result to its stream; returns all that was added. */
  #runRow(
    index: number,
    row: number,
    branch: Branch,
    plan: Plan,
    normed: Float64Array,
    gateBefore: GateRow | undefined,
    times: number,
    scores: Float32Array,
  ): Float64Array {
    const stream = this.#stream[row]!;
    const { gates } = this.#model;
    const multiplies = this.#multiplies(plan);
    const readsOutput = gates?.spec.position === 'after' && (multiplies || (this.#scores !== undefined && !scoresWithoutGates(plan)));
    const total = new Float64Array(stream.length);
    for (let time = 0; time < times; time++) {
      const input = time === 0 ? normed : rmsNorm(stream, branch.norm, this.#model.config.rmsNormEpsilon, new Float64Array(stream.length));
      const output = branch.run(row, input);
      let gate = gateBefore;
      if (readsOutput) gate = gateRow(gates!.spec, gates!.gates[index]!, output);
      else if (multiplies && time > 0) gate = gateRow(gates!.spec, gates!.gates[index]!, input);
      if (readsOutput && time === 0) scores[row] = gate!.score;
      if (multiplies) weigh(gate!.factors, output);
      add(stream, output);
      add(total, output);
    }
    return total;
  }

  #record(
    index: number,
    row: number,
    input: Float64Array,
    output: Float64Array | undefined,
    streamSquaredNorm: number,
    isKept: boolean,
  ): void {
    const { rows } = this.#context.prepared;
    const at = index * rows + row;
    if (this.#keptRows && isKept) this.#keptRows[at] = 1;
    if (!this.#hidden) return;
    this.#hidden.inputs.set(input, at * input.length);
    if (output) this.#hidden.outputs.set(output, at * output.length);
    this.#hidden.streamSquaredNorms[at] = streamSquaredNorm;
  }

  async #head(): Promise<Float32Array> {
    const { config, weights } = this.#model;
    const { outputs } = this.#input;
    const logits = new Float32Array(outputs.length * config.vocabularySize);
    const normed = new Float64Array(config.hiddenSize);
    const values = new Float64Array(config.vocabularySize);
    for (const [i, row] of outputs.entries()) {
      rmsNorm(this.#stream[row]!, weights.outputNorm, config.rmsNormEpsilon, normed);
      logits.set(linear(weights.output, normed, values), i * config.vocabularySize);
      await this.#context.pacer.pause();
    }
    return logits;
  }
}

/** Whether scores come from elsewhere: then no gate is asked, not even to report what it would have said. */
function scoresWithoutGates({ scorer }: Plan): boolean {
  return scorer === 'random' || scorer === 'given';
}

function add(target: Float64Array, source: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += source[i]!;
}
