import { type PreparedTrainStep, ruleNeedsScores, type TrainStepInput } from '@gateskip/backend';
import { createGateGradients, type GateOutput, type GateUpstream, gateBackward, gateForward, randomScore } from '@gateskip/gate';
import { weigh } from '../ops/gate.js';
import { rmsNorm } from '../ops/rms-norm.js';
import { skippedRows } from '../ops/skipped-rows.js';
import { standInOf } from '../ops/stand-in.js';
import type { Pacer } from '../pacer.js';
import { regularise } from './gate-regulariser.js';
import type { HeldScores } from './held-budget.js';
import { rmsNormBackward } from './rms-norm-backward.js';
import { skipThreshold } from './skip-threshold.js';
import { standInMapBackward } from './stand-in-map-backward.js';
import type { RowMemory, Sublayer } from './sublayer.js';
import { surrogateSlope } from './surrogate.js';
import type { TrainingModel } from './training-model.js';

/** What one pass over a branch leaves for its backward. */
export interface BranchTape {
  /** N rows of [d] */
  readonly normed: readonly Float64Array[];
  readonly gate: GateOutput<Float64Array> | undefined;
  /** As the rule compared them: [N]; NaN where there is no gate to ask. */
  readonly scores: Float32Array;
  /** [N] */
  readonly skipped: Uint8Array;
  readonly threshold: number | undefined;
  /** Output of the branch before the gate weighs it, of the rows that ran: N rows of [d]. */
  readonly outputs: readonly (Float64Array | undefined)[];
  readonly memories: readonly (RowMemory | undefined)[];
  /** This branch's share of the gate loss, without its weight. */
  readonly gateLoss: number;
}

/** A branch with its gate, its skip rule and its stand-in, over all rows of a training step. */
export class GatedBranch {
  readonly #index: number;
  readonly #sublayer: Sublayer;
  readonly #model: TrainingModel;
  readonly #input: TrainStepInput;
  readonly #prepared: PreparedTrainStep;
  readonly #pacer: Pacer;
  readonly #pinned: Uint8Array;
  #held: HeldScores | undefined;
  readonly #gains: Float32Array;

  constructor(index: number, sublayer: Sublayer, model: TrainingModel, input: TrainStepInput, prepared: PreparedTrainStep, pacer: Pacer) {
    this.#index = index;
    this.#sublayer = sublayer;
    this.#model = model;
    this.#input = input;
    this.#prepared = prepared;
    this.#pacer = pacer;
    this.#gains = new Float32Array(prepared.rows).fill(Number.NaN);
    this.#pinned = Uint8Array.from({ length: prepared.rows }, (_, row) => (input.plan.pinned?.[row] ? 1 : 0));
  }

  /** Whether gates weigh outputs. */
  get multiplies(): boolean {
    return this.#input.plan.scorer === 'gate' && this.#model.gates?.spec.multiplies === true;
  }

  /** Whether the rule compares scores of gates. */
  get ranksByGate(): boolean {
    return this.#input.plan.scorer === 'gate' && ruleNeedsScores(this.#input.plan.rules[this.#index]!);
  }

  get #isSurrogate(): boolean {
    return this.ranksByGate && this.#input.straightThrough !== undefined;
  }

  get #isRegularised(): boolean {
    return this.#prepared.regularised.includes(this.#index);
  }

  /** Runs the branch and adds what it gives to `stream` (N rows of [d]). */
  async forward(stream: readonly Float64Array[], isReplay: boolean): Promise<BranchTape> {
    const { config, gates } = this.#model;
    const { plan } = this.#input;
    const rule = plan.rules[this.#index]!;
    const value = plan.values[this.#index]!;
    const d = config.hiddenSize;
    const sublayer = this.#sublayer;
    const normed = stream.map((row) => rmsNorm(row, sublayer.norm.value, config.rmsNormEpsilon, new Float64Array(d)));
    await this.#pacer.pause();
    const asksGate = this.#asksGate();
    const before = asksGate && gates?.spec.position === 'before' ? this.#askGate(normed) : undefined;
    const scores = this.#scores(before);
    const skipped = skippedRows(rule, value, scores, this.#pinned);
    await sublayer.prepare(normed, skipped, isReplay);
    const outputs: (Float64Array | undefined)[] = new Array(normed.length).fill(undefined);
    const memories: (RowMemory | undefined)[] = new Array(normed.length).fill(undefined);
    for (const [row, x] of normed.entries()) {
      if (skipped[row] === 1 && !this.#isSurrogate) continue;
      const { output, memory } = sublayer.run(row, x, skipped[row] === 1);
      outputs[row] = output;
      memories[row] = memory;
      if (this.#pacer.isDue) await this.#pacer.pause();
    }
    const after = asksGate && gates?.spec.position === 'after' ? this.#askGate(outputs) : undefined;
    for (const row of normed.keys()) if (after !== undefined && skipped[row] === 0) scores[row] = after.score[row]!;
    const gate = before ?? after;
    const tape: BranchTape = {
      normed,
      gate,
      scores,
      skipped,
      threshold: this.ranksByGate ? skipThreshold(rule, value, scores, this.#pinned, skipped) : undefined,
      outputs,
      memories,
      gateLoss: this.#isRegularised ? regularise(this.#input.loss.gates!, gate!, this.#prepared.regularised.length).value : 0,
    };
    for (const [row, target] of stream.entries()) add(target, skipped[row] === 1 ? this.#standIn(normed[row]!) : this.#given(tape, row));
    return tape;
  }

  /**
   * @param inputs what `stream` was before the branch: N rows of [d]
   * @param dStream gradient of the loss with respect to the stream after the branch; becomes that before it
   */
  async backward(inputs: readonly Float64Array[], tape: BranchTape, dStream: readonly Float64Array[]): Promise<void> {
    const { config, gates, detachGateInput } = this.#model;
    const d = config.hiddenSize;
    const standIn = this.#input.plan.standIns === false ? undefined : gates?.standIns?.[this.#index]?.gradient;
    const map = this.#input.plan.standIns === false ? undefined : gates?.standInMaps?.[this.#index];
    const dGateInput = this.#gateBackward(tape, dStream);
    const dNormed = inputs.map(() => new Float64Array(d));
    for (const [row, dy] of dStream.entries()) {
      if (tape.skipped[row] === 1) {
        if (standIn !== undefined) add(standIn, dy);
        if (map !== undefined) standInMapBackward(map, tape.normed[row]!, dy, dNormed[row]!);
        continue;
      }
      const dOutput = dy.slice();
      if (this.multiplies) weigh(this.#factors(tape, row), dOutput);
      if (!detachGateInput && gates?.spec.position === 'after') addAt(dOutput, dGateInput, row * d);
      this.#sublayer.runBackward(row, tape.normed[row]!, tape.memories[row]!, dOutput, dNormed[row]!);
      if (this.#pacer.isDue) await this.#pacer.pause();
    }
    await this.#sublayer.prepareBackward(tape.normed, dNormed);
    for (const [row, x] of inputs.entries()) {
      if (!detachGateInput && gates?.spec.position === 'before') addAt(dNormed[row]!, dGateInput, row * d);
      rmsNormBackward(x, this.#sublayer.norm, config.rmsNormEpsilon, dNormed[row]!, dStream[row]!);
      if (this.#pacer.isDue) await this.#pacer.pause();
    }
  }

  /** Gradients of the scores that wait for the price of a MAC; there after `backward` where budgets are held. */
  get held(): HeldScores | undefined {
    return this.#held;
  }

  /** What keeping each row is worth, there after `backward`: [N]. See `TrainStepResult.gains`. */
  get gains(): Float32Array {
    return this.#gains;
  }

  /** @param scores gradient of the loss with respect to this branch's scores: [N] */
  scoreBackward({ gate }: HeldScores, score: Float64Array): void {
    const { spec, parameters, gradients } = this.#model.gates!;
    if (gradients === undefined) return;
    gateBackward(spec, parameters[this.#index]!, gate.saved, { score }, { into: gradients[this.#index]!, detachInput: true });
  }

  /** Gradients of the gate's arrays; returns that of its input, [N, d], where it is not detached. */
  #gateBackward(tape: BranchTape, dStream: readonly Float64Array[]): Float64Array | undefined {
    const { gates, detachGateInput } = this.#model;
    if (tape.gate === undefined || gates === undefined || (gates.gradients === undefined && detachGateInput)) return undefined;
    const upstream = this.#gateUpstream(tape, tape.gate, dStream);
    if (upstream.output === undefined && upstream.score === undefined) return undefined;
    const parameters = gates.parameters[this.#index]!;
    const into = gates.gradients?.[this.#index] ?? createGateGradients(parameters);
    return gateBackward(gates.spec, parameters, tape.gate.saved, upstream, { into, detachInput: detachGateInput }).input;
  }

  #gateUpstream(tape: BranchTape, gate: GateOutput<Float64Array>, dStream: readonly Float64Array[]): GateUpstream {
    const { width } = gate;
    const rows = dStream.length;
    const output = this.multiplies || this.#isRegularised ? new Float64Array(rows * width) : undefined;
    const gains = this.#isSurrogate && tape.threshold !== undefined ? new Float64Array(rows) : undefined;
    const saving = this.#input.straightThrough?.savings?.[this.#index];
    const slopes = new Float64Array(rows);
    for (const [row, dy] of dStream.entries()) {
      if (this.multiplies && tape.skipped[row] === 0) {
        const f = tape.outputs[row]!;
        for (let i = 0; i < dy.length; i++) output![row * width + (width === 1 ? 0 : i)]! += dy[i]! * f[i]!;
      }
      if (gains === undefined) continue;
      const gain = this.#pinned[row] === 0 ? this.#gainOfKeeping(tape, row, dy) : 0;
      this.#gains[row] = gain;
      if (this.#pinned[row] !== 0 || !this.#teaches(tape, row)) continue;
      slopes[row] = surrogateSlope(gate.score[row]!, tape.threshold!, this.#input.straightThrough!.temperature);
      gains[row] = slopes[row]! * gain;
    }
    if (this.#isRegularised) {
      const regulariser = this.#input.loss.gates!;
      const { gradient } = regularise(regulariser, gate, this.#prepared.regularised.length);
      for (let i = 0; i < gradient.length; i++) output![i]! += regulariser.weight * gradient[i]!;
    }
    if (gains !== undefined && saving !== undefined) this.#held = { gate, gains, saved: slopes.map((slope) => slope * saving) };
    return { ...(output && { output }), ...(gains && saving === undefined && { score: gains }) };
  }

  /** Of a row that is not pinned. */
  #teaches(tape: BranchTape, row: number): boolean {
    return this.#input.straightThrough?.taught !== 'skipped' || tape.skipped[row] !== 0;
  }

  /** dL/dy · (what keeping the row adds - what skipping it adds) */
  #gainOfKeeping(tape: BranchTape, row: number, dy: Float64Array): number {
    const kept = this.#given(tape, row);
    const standIn = this.#standIn(tape.normed[row]!);
    let sum = 0;
    for (let i = 0; i < dy.length; i++) sum += dy[i]! * (kept[i]! - (standIn === undefined ? 0 : standIn[i]!));
    return sum;
  }

  /** What a kept row adds to the stream: [d]. */
  #given(tape: BranchTape, row: number): Float64Array {
    const output = tape.outputs[row]!;
    if (!this.multiplies) return output;
    const weighed = output.slice();
    weigh(this.#factors(tape, row), weighed);
    return weighed;
  }

  #factors(tape: BranchTape, row: number): Float64Array {
    const { output, width } = tape.gate!;
    return output.subarray(row * width, (row + 1) * width);
  }

  /** What a row gets where it skips: [d] */
  #standIn(normed: Float64Array): Float64Array | undefined {
    const { gates } = this.#model;
    const vector = this.#input.plan.standIns === false ? undefined : gates?.standIns?.[this.#index]?.value;
    if (vector === undefined) return undefined;
    const map = gates?.standInMaps?.[this.#index];
    return standInOf(vector, map && { down: map.down.value, up: map.up.value }, normed);
  }

  #asksGate(): boolean {
    const { plan, want } = this.#input;
    if (plan.scorer === 'gate' && (this.ranksByGate || this.multiplies || this.#isRegularised)) return true;
    return want?.scores === true && plan.scorer !== 'random' && plan.scorer !== 'given';
  }

  #askGate(rows: readonly (Float64Array | undefined)[]): GateOutput<Float64Array> | undefined {
    const { gates, config } = this.#model;
    if (gates === undefined) return undefined;
    const input = new Float64Array(rows.length * config.hiddenSize);
    for (const [row, x] of rows.entries()) if (x !== undefined) input.set(x, row * config.hiddenSize);
    return gateForward(gates.spec, gates.parameters[this.#index]!, input, rows.length, config.hiddenSize);
  }

  #scores(gate: GateOutput<Float64Array> | undefined): Float32Array {
    const { plan } = this.#input;
    const { rows, positions } = this.#prepared;
    if (plan.scorer === 'random') return Float32Array.from(positions, (position) => randomScore(plan.seed ?? 0, position, this.#index));
    if (plan.scorer === 'given') return plan.scores!.slice(this.#index * rows, (this.#index + 1) * rows);
    return gate === undefined ? new Float32Array(rows).fill(Number.NaN) : Float32Array.from(gate.score);
  }
}

function add(target: Float64Array, source: Float64Array | Float32Array | undefined): void {
  if (source !== undefined) for (let i = 0; i < target.length; i++) target[i]! += source[i]!;
}

function addAt(target: Float64Array, source: Float64Array | undefined, start: number): void {
  if (source !== undefined) for (let i = 0; i < target.length; i++) target[i]! += source[start + i]!;
}
