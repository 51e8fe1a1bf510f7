import type { Trainer } from '@gateskip/backend';
import { branchCount, type GateSet, type KvMode, type Plan, randomScore } from '@gateskip/gate';
import { runnerTeacher } from '../data/runner-teacher.js';
import type { TeacherRows } from '../data/training-text.js';
import type { Pacer } from '../progress.js';
import { pool } from './branch-scores.js';
import { assertTells, type SlopesRequest } from './slopes.js';

/** Likeliest tokens that predictions are compared on; all others are one class. */
const TEACHER_TOKENS = 64;
/** Shares of the free branches' rows that skip, drawn evenly between: gates must serve every budget. */
const SHARES = { low: 0.05, high: 0.5 };
/** Deviation of each branch's threshold from the common one, logits: rows on both sides of it get their turn. */
const JITTER = 0.25;
/** Costs beyond so many times their mean size are cut down to it: single rows would decide a least squares fit. */
const MOST = 6;

/** Of one branch: rows of the traces that skipped, and what that cost. */
export interface BranchCosts {
  readonly rows: number[];
  /** Per MAC, in units of the mean size over all that skipped in the same window: from -6 to 6, mostly above 0. */
  readonly costs: number[];
}

export interface SkipCostsRequest extends SlopesRequest {
  /** Texts, run from their start. */
  readonly windows: readonly Int32Array[];
  readonly kv: KvMode;
  readonly pinnedTokens: number;
  /** Branches that may skip, ascending. */
  readonly free: readonly number[];
  /** One over what a skip of each branch saves: [2L]. */
  readonly perMac: readonly number[];
}

/**
 * What skips cost where others skip too: texts are run with a gate set under budgets drawn anew for every window, and every skipped
 * row's cost is the slope of KL(dense || skipping) along keeping it, by one backward pass. Rows that are kept have no cost here: the
 * slope at the kept end is flat and says nothing of it.
 */
export class SkipCosts {
  /** [2L] */
  readonly branches: readonly BranchCosts[];
  #taught: TeacherRows[] | undefined;
  #rounds = 0;

  constructor(private readonly request: SkipCostsRequest) {
    this.branches = Array.from({ length: branchCount(request.model.config) }, () => ({ rows: [], costs: [] }));
  }

  /**
   * Runs all texts once and adds what was seen.
   *
   * @param logits what `gates` say before the sigmoid to the rows of the traces: [2L][rows]; rows are those of all windows, the first
   *   `pinnedTokens` of each left out
   * @throws UnsupportedError where the backend cannot train, and what teacher and trainer throw
   */
  async measure(gates: GateSet, logits: readonly Float64Array[], pacer: Pacer): Promise<void> {
    const { model, backend, threads, signal, windows, pinnedTokens } = this.request;
    assertTells(backend);
    const round = this.#rounds++;
    // The first time half of the way is to ask the dense model.
    const asked = this.#taught === undefined ? windows.length : 0;
    this.#taught ??= await this.#teach(pacer);
    const trainer = await backend.loadTrainer(model, {
      gates,
      trainable: ['gates'],
      detachGateInput: true,
      maxRows: windows.reduce((most, { length }) => Math.max(most, length), 1),
      ...(threads !== undefined && { threads }),
      ...(signal && { signal }),
    });
    const sorted = pool(logits, this.request.free);
    try {
      let first = 0;
      for (const [index, tokens] of windows.entries()) {
        pacer.report('costs', asked + index, asked + windows.length);
        await this.#add(trainer, tokens, this.#taught[index]!, this.#plan(sorted, tokens.length, round, index), first);
        first += Math.max(0, tokens.length - pinnedTokens);
        await pacer.breathe();
      }
      pacer.report('costs', asked + windows.length, asked + windows.length);
    } finally {
      await trainer.close();
    }
  }

  async #teach(pacer: Pacer): Promise<TeacherRows[]> {
    const { model, backend, threads, signal, windows } = this.request;
    const count = Math.min(TEACHER_TOKENS, model.config.vocabularySize);
    const teacher = runnerTeacher({ model, backend, count, ...(threads !== undefined && { threads }) });
    try {
      const taught: TeacherRows[] = [];
      for (const [index, tokens] of windows.entries()) {
        pacer.report('costs', index, 2 * windows.length);
        taught.push(await teacher.rows({ tokens, rowWeights: new Float32Array(tokens.length).fill(1) }, signal));
      }
      return taught;
    } finally {
      await teacher.close();
    }
  }

  /** @param sorted logits of all rows that may skip, ascending */
  #plan(sorted: Float64Array, length: number, round: number, window: number): Plan {
    const { free, kv, pinnedTokens } = this.request;
    const share = SHARES.low + (SHARES.high - SHARES.low) * randomScore(round, window, 0);
    const common = sorted[Math.floor(share * sorted.length)]!;
    const isFree = new Set(free);
    return {
      scorer: 'gate',
      rules: this.branches.map((_, branch) => (isFree.has(branch) ? 'threshold' : 'keep')),
      values: Float32Array.from(this.branches, (_, branch) =>
        isFree.has(branch) ? 1 / (1 + Math.exp(-common - JITTER * normal(round, window, branch))) : 0,
      ),
      kv,
      pinned: new Uint8Array(length).fill(1, 0, pinnedTokens),
    };
  }

  async #add(trainer: Trainer, tokens: Int32Array, teacher: TeacherRows, plan: Plan, first: number): Promise<void> {
    const { free, perMac, pinnedTokens, signal } = this.request;
    trainer.zeroGradients();
    const { gains, keptRows } = await trainer.step(
      {
        tokens,
        segmentLengths: Int32Array.of(tokens.length),
        plan,
        straightThrough: {},
        // A sum: what one row does must not hang on how many others there are.
        loss: { teacher: { ...teacher, weight: 1, divisor: 1 } },
        want: { gains: true, keptRows: true },
      },
      signal,
    );
    let size = 0;
    let skipped = 0;
    for (const branch of free) {
      for (let row = pinnedTokens; row < tokens.length; row++) {
        if (keptRows![branch * tokens.length + row] !== 0) continue;
        size += Math.abs(gains![branch * tokens.length + row]!) * perMac[branch]!;
        skipped++;
      }
    }
    if (!(size > 0)) return;
    const scale = skipped / size;
    for (const branch of free) {
      const { rows, costs } = this.branches[branch]!;
      for (let row = pinnedTokens; row < tokens.length; row++) {
        if (keptRows![branch * tokens.length + row] !== 0) continue;
        rows.push(first + row - pinnedTokens);
        costs.push(Math.max(-MOST, Math.min(MOST, -gains![branch * tokens.length + row]! * perMac[branch]! * scale)));
      }
    }
  }
}

/** A normal number from the seeds alone (Box and Muller). */
function normal(round: number, window: number, branch: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - randomScore(round, window, 2 * branch + 1)));
  return radius * Math.cos(2 * Math.PI * randomScore(round, window, 2 * branch + 2));
}
