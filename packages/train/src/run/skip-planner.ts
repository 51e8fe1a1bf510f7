import type { TrainStepResult } from '@gateskip/backend';
import { branchCount, densePlan, type GateSpec, gateMacs, type KvMode, type Plan, type Rule } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { SkipRecipe } from '../recipes/recipe.js';
import { branchSavings } from './branch-savings.js';
import { ScoreHistogram } from './score-histogram.js';

export interface SkipPlannerOptions {
  readonly config: ModelConfig;
  readonly spec: GateSpec;
  /** Of one skipping row in one branch. */
  readonly standInMacs: number;
  readonly rule: SkipRecipe['rule'];
  readonly kv: KvMode;
  readonly pinnedTokens: number;
  /** With rule `static`: all but the dropped ones. */
  readonly protectedBranches: readonly number[];
  /** Budget from which low-rank additions are added in full; absent: always. */
  readonly loraFullAt?: number | undefined;
}

/** What a planner has learned; plain data but for the histogram. */
export interface SkipPlannerState {
  readonly denseMacs: number;
  readonly correction: number;
  readonly rowsPerMac: number;
  readonly bins: Float64Array;
}

/** Between the scores of static gates that drop and those that keep. */
export const STATIC_THRESHOLD = 0.5;

/** Of what is known, this share is still there after another micro-batch. */
const MEMORY = 0.9;
/** Answer to a share that was missed: a part of it at a time, because micro-batches differ. */
const CORRECTION_POWER = 0.1;
const CORRECTION_LIMIT = 2;
/** Smaller shares say more of noise than of the scale. */
const LEAST_SHARE = 0.02;

/** Share of the low-rank additions that goes with a budget, to spread into a plan or a point of a curve. */
export function loraStrengthAt(fullAt: number | undefined, budget: number): { loraStrength?: number } {
  return fullAt === undefined ? {} : { loraStrength: Math.min(1, budget / fullAt) };
}

/** Turns budgets into plans, and learns from what they held. */
export class SkipPlanner {
  #histogram = new ScoreHistogram();
  #correction = 1;
  /** Rows for each dense MAC of the last micro-batch: what gates cost as a share. */
  #rowsPerMac = 0;
  readonly #rules: readonly Rule[];
  readonly #gateMacs: number;

  constructor(private readonly options: SkipPlannerOptions) {
    const { rule, config, protectedBranches, spec } = options;
    const free = rule === 'branch-quantile' ? 'quantile' : 'threshold';
    this.#rules = Array.from({ length: branchCount(config) }, (_, branch) => (protectedBranches.includes(branch) ? 'keep' : free));
    this.#gateMacs = this.#rules.filter((each) => each !== 'keep').length * gateMacs(spec, config.hiddenSize);
  }

  /** Plan of a micro-batch for a budget in the rule's own terms; 0 keeps every row. */
  plan(budget: number, segmentLengths: Int32Array): Plan {
    const { rule } = this.options;
    if (rule === 'static') return this.planAt(budget > 0 ? STATIC_THRESHOLD : 0, budget, segmentLengths);
    if (rule === 'branch-quantile') return this.planAt(budget, budget, segmentLengths);
    return this.planAt(this.threshold(budget, this.#correction), budget, segmentLengths);
  }

  /** Threshold for a net share saved, the gates' own time on top; 0 for none. */
  threshold(net: number, correction = 1): number {
    if (net <= 0) return 0;
    return this.#histogram.threshold(net * correction + this.#gateMacs * this.#rowsPerMac);
  }

  /** One value for every branch that may skip, and the share of low-rank additions that goes with a budget. */
  planAt(value: number, budget: number, segmentLengths: Int32Array): Plan {
    const { kv, pinnedTokens, loraFullAt } = this.options;
    const rows = segmentLengths.reduce((sum, length) => sum + length, 0);
    const pinned = new Uint8Array(rows);
    let start = 0;
    for (const length of segmentLengths) {
      pinned.fill(1, start, start + Math.min(length, pinnedTokens));
      start += length;
    }
    return {
      scorer: 'gate',
      rules: this.#rules,
      values: new Float32Array(this.#rules.length).fill(value),
      kv,
      pinned,
      ...loraStrengthAt(loraFullAt, budget),
    };
  }

  /** MACs that a skipping row saves in each branch of a micro-batch: [2L]. */
  savings(segmentLengths: Int32Array): Float64Array {
    return branchSavings(this.options.config, this.options.kv, this.options.standInMacs, segmentLengths);
  }

  /** The model with its gates off. */
  densePlan(): Plan {
    return densePlan(this.#rules.length);
  }

  get wantsScores(): boolean {
    return this.options.rule === 'global-threshold';
  }

  /** Learns from the scores of a micro-batch, and from how far what was held is from what was asked. */
  observe(result: TrainStepResult, plan: Plan, segmentLengths: Int32Array, asked: number): void {
    if (!this.wantsScores || !result.scores) return;
    this.#histogram.decay(MEMORY);
    this.count(result, plan, segmentLengths);
    const held = 1 - result.macs / result.denseMacs;
    if (asked < LEAST_SHARE) return;
    const ratio = Math.min(CORRECTION_LIMIT, Math.max(1 / CORRECTION_LIMIT, asked / Math.max(held, asked / CORRECTION_LIMIT)));
    this.#correction = Math.min(CORRECTION_LIMIT, Math.max(1 / CORRECTION_LIMIT, this.#correction * ratio ** CORRECTION_POWER));
  }

  /** Counts the scores alone. */
  count(result: TrainStepResult, plan: Plan, segmentLengths: Int32Array): void {
    const { scores } = result;
    if (!scores) return;
    const savings = this.savings(segmentLengths);
    const rows = scores.length / savings.length;
    for (const [branch, rule] of this.#rules.entries()) {
      if (rule === 'keep') continue;
      for (let row = 0; row < rows; row++) {
        if (plan.pinned?.[row] !== 1) this.#histogram.add(scores[branch * rows + row]!, savings[branch]!);
      }
    }
    this.#histogram.denseMacs += result.denseMacs;
    this.#rowsPerMac = rows / result.denseMacs;
  }

  state(): SkipPlannerState {
    const { bins, denseMacs } = this.#histogram;
    return { denseMacs, correction: this.#correction, rowsPerMac: this.#rowsPerMac, bins: bins.slice() };
  }

  restore(state: SkipPlannerState): void {
    this.#histogram = new ScoreHistogram(state.bins, state.denseMacs);
    this.#correction = state.correction;
    this.#rowsPerMac = state.rowsPerMac;
  }
}
