import type { Segment, StepInput } from '@gateskip/backend';
import type { Plan } from '@gateskip/gate';
import type { SequenceState } from './sequence-state.js';

/** Prompt rows beside sequences that are decoding, where the request does not say: longer chunks would hold them up. */
const chunkBesideDecode = 128;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One sequence's rows of a step. */
export interface BatchEntry {
  readonly sequence: SequenceState;
  /** First row in the step. */
  readonly start: number;
  readonly rows: number;
  /** Index into the step's plans. */
  readonly plan: number;
  /** Number of its row among the outputs, or -1. */
  readonly output: number;
}

export interface Batch {
  readonly input: StepInput;
  readonly plans: readonly Plan[];
  readonly entries: readonly BatchEntry[];
  readonly rows: number;
  /** Per plan, whether sequences share it: then what was kept must be read row by row. */
  readonly shared: readonly boolean[];
}

/**
 * Puts rows of several sequences into one step: one row of each that decodes, then prompt chunks, both in turns so that
 * none waits for ever. A chunk never crosses a boundary of its plan. The arrays are reused: a batch is valid until the next.
 */
export class BatchBuilder {
  private readonly tokens: Int32Array; // [maxRows]
  private readonly outputs: Int32Array; // [maxRows]
  private tokensView: Int32Array;
  private outputsView: Int32Array;
  private readonly entries: Mutable<BatchEntry>[] = [];
  private readonly segments: Mutable<Segment>[] = [];
  private readonly spare: { entry: Mutable<BatchEntry>; segment: Mutable<Segment> }[] = [];
  private readonly decoding: SequenceState[] = [];
  private readonly filling: SequenceState[] = [];
  private turn = 0;

  constructor(private readonly maxRows: number) {
    this.tokens = new Int32Array(maxRows);
    this.outputs = new Int32Array(maxRows);
    this.tokensView = this.tokens.subarray(0, 0);
    this.outputsView = this.outputs.subarray(0, 0);
  }

  build(sequences: readonly SequenceState[]): Batch {
    this.entries.length = 0;
    this.segments.length = 0;
    const plans: Plan[] = [];
    const shared: boolean[] = [];
    const rows = this.chooseRows(sequences);
    let pinned: Uint8Array | undefined;
    let given: Float32Array | undefined; // [2L, rows]
    let outputs = 0;
    let topLogits = 0;
    let allRanked = true;
    let scores = false;
    let keptRows = false;
    for (let index = 0; index < this.entries.length; index++) {
      const entry = this.entries[index] as Mutable<BatchEntry>;
      const { sequence, start } = entry;
      for (let row = 0; row < entry.rows; row++) this.tokens[start + row] = sequence.tokenAt(sequence.position + row);
      let plan = sequence.skip.plan(sequence.position, entry.rows);
      if (plan.pinned !== undefined) {
        const own = plan.pinned;
        if (own.indexOf(1) >= 0) (pinned ??= new Uint8Array(rows)).set(own, start);
        const { pinned: _own, ...rest } = plan;
        plan = rest;
      }
      if (plan.scores !== undefined) {
        given ??= new Float32Array(plan.rules.length * rows);
        placeScores(given, rows, plan.scores, start, entry.rows);
        const { scores: _own, ...rest } = plan;
        plan = rest;
      }
      const partner = this.partnerOf(index, plan, plans);
      if (partner >= 0) shared[partner] = keptRows = true;
      else {
        plans.push(plan);
        shared.push(false);
      }
      entry.plan = partner >= 0 ? partner : plans.length - 1;
      scores ||= sequence.skip.wantsScores || sequence.trace !== undefined;
      keptRows ||= sequence.trace !== undefined;
      entry.output = -1;
      if (sequence.wantsToken && sequence.position + entry.rows === sequence.knownTokens) {
        entry.output = outputs;
        this.outputs[outputs++] = start + entry.rows - 1;
        allRanked &&= sequence.leadingLogits > 0;
        topLogits = Math.max(topLogits, sequence.leadingLogits);
      }
      const segment = this.segments[index] as Mutable<Segment>;
      segment.sequence = sequence.id ?? -1;
      segment.start = start;
      segment.length = entry.rows;
      segment.plan = entry.plan;
    }
    if (this.tokensView.length !== rows) this.tokensView = this.tokens.subarray(0, rows);
    if (this.outputsView.length !== outputs) this.outputsView = this.outputs.subarray(0, outputs);
    const input: Mutable<StepInput> = { tokens: this.tokensView, segments: this.segments, outputs: this.outputsView };
    if (outputs > 0 && allRanked) input.topLogits = topLogits;
    if (scores || keptRows) input.want = { scores, keptRows };
    return { input, plans: placed(plans, pinned, given), entries: this.entries, rows, shared };
  }

  /** Fills {@link entries} and {@link segments}. @returns the number of rows */
  private chooseRows(sequences: readonly SequenceState[]): number {
    const { decoding, filling, maxRows } = this;
    decoding.length = 0;
    filling.length = 0;
    for (const sequence of sequences)
      (sequence.knownTokens - sequence.position === 1 && !sequence.inPrompt ? decoding : filling).push(sequence);
    const turn = this.turn++;
    // Prompts keep a quarter of the rows: without it sequences that decode could fill every step.
    const forDecoding = Math.min(decoding.length, filling.length > 0 ? maxRows - Math.ceil(maxRows / 4) : maxRows);
    let rows = 0;
    for (let index = 0; index < forDecoding; index++) {
      this.addEntry(inTurn(decoding, forDecoding === decoding.length ? 0 : turn * forDecoding, index), rows, 1);
      rows++;
    }
    const ownLimit = decoding.length > 0 ? chunkBesideDecode : maxRows;
    for (let index = 0; index < filling.length && rows < maxRows; index++) {
      const sequence = inTurn(filling, turn, index);
      const { position } = sequence;
      const end = sequence.inPrompt ? sequence.prompt.length : sequence.knownTokens;
      const chunk = Math.min(sequence.settings.prefillChunk ?? ownLimit, maxRows - rows, end - position, sequence.skip.spanAt(position));
      this.addEntry(sequence, rows, chunk);
      rows += chunk;
    }
    return rows;
  }

  private addEntry(sequence: SequenceState, start: number, rows: number): void {
    const index = this.entries.length;
    const spare = (this.spare[index] ??= {
      entry: { sequence, start, rows, plan: 0, output: -1 },
      segment: { sequence: -1, start, length: rows, plan: 0 },
    });
    spare.entry.sequence = sequence;
    spare.entry.start = start;
    spare.entry.rows = rows;
    this.entries.push(spare.entry);
    this.segments.push(spare.segment);
  }

  /** Plan of an earlier sequence with which this one is to be ranked, or -1. */
  private partnerOf(index: number, plan: Plan, plans: readonly Plan[]): number {
    const key = this.entries[index]?.sequence.skip.coupleKey;
    if (key === undefined) return -1;
    for (let earlier = 0; earlier < index; earlier++) {
      const entry = this.entries[earlier] as BatchEntry;
      if (entry.sequence.skip.coupleKey === key && samePlan(plans[entry.plan] as Plan, plan)) return entry.plan;
    }
    return -1;
  }
}

/** One sequence's scores, [2L, own rows], into those of the whole step, [2L, rows]. */
function placeScores(step: Float32Array, rows: number, own: Float32Array, start: number, ownRows: number): void {
  for (let branch = 0; branch * rows < step.length; branch++)
    step.set(own.subarray(branch * ownRows, (branch + 1) * ownRows), branch * rows + start);
}

/** Rows of different plans are different rows, so one array serves all of them. */
function placed(plans: readonly Plan[], pinned: Uint8Array | undefined, given: Float32Array | undefined): readonly Plan[] {
  if (pinned === undefined && given === undefined) return plans;
  return plans.map((plan) => ({ ...plan, ...(pinned && { pinned }), ...(given && plan.scorer === 'given' && { scores: given }) }));
}

function inTurn(sequences: readonly SequenceState[], turn: number, index: number): SequenceState {
  return sequences[(turn + index) % sequences.length] as SequenceState;
}

/** Equal in all but the pinned rows. */
function samePlan(a: Plan, b: Plan): boolean {
  return (
    a.scorer === b.scorer &&
    a.kv === b.kv &&
    a.seed === b.seed &&
    a.standIns === b.standIns &&
    a.rules.every((rule, branch) => rule === b.rules[branch] && a.values[branch] === b.values[branch])
  );
}
