import type { ScoredText } from '../items/item.js';
import { Lane } from './lane.js';
import type { LaneRows, RowPick, RowsResult } from './run-rows.js';
import type { GroupScores, ScoreOptions, TextGroup } from './score-texts.js';
import { TextScores } from './text-scores.js';
import { addUsage, noUsage, type Usage } from './usage.js';

/** A text's own rows, after the common beginning. */
interface Branch {
  readonly lane: Lane;
  readonly index: number;
}

/** A token that a text is scored by, and the logit that it takes. */
interface ScoredToken extends RowPick {
  readonly scores: TextScores;
  readonly position: number;
}

/** One group on its way through the runner. */
export class GroupRun {
  /** K/V rows that it takes, and sequences. */
  readonly tokens: number;
  readonly sequences: number;
  readonly #texts: readonly ScoredText[];
  readonly #scores: TextScores[];
  readonly #options: ScoreOptions;
  /** Per text, where the policy needs them. */
  readonly #given: readonly Float32Array[];
  readonly #key: string | undefined;
  /** Rows that all texts begin with. */
  readonly #common: number;
  #root: Lane | undefined;
  #branches: Branch[] | undefined;
  #parts: { lane: Lane; index: number; from: number; rows: number; outputs: number[]; picks: ScoredToken[] }[] = [];
  #usage: Usage = noUsage;

  constructor({ texts }: TextGroup, options: ScoreOptions, order: number, given: readonly Float32Array[]) {
    this.#texts = texts;
    this.#options = options;
    this.#given = given;
    this.#key = options.policy?.couplesSequences ? `group ${order}` : undefined;
    this.#common = options.sharePrefix === false || given.length > 0 ? 0 : commonRows(texts);
    this.#scores = texts.map((text) => new TextScores(text));
    this.tokens = texts.reduce((sum, { tokens }) => sum + tokens.length - 1 - this.#common, this.#common);
    this.sequences = texts.length + 1;
  }

  get isDone(): boolean {
    return this.#branches?.length === 0;
  }

  /** Rows for the next step: at most `chunkRows` of them. Asked again before {@link take}, it gives the same. */
  next(): LaneRows[] {
    this.#prepare();
    const { chunkRows } = this.#options.limits;
    this.#parts = [];
    let room = chunkRows;
    const root = this.#root;
    const lanes = root && this.#branches === undefined ? [{ lane: root, index: -1, end: this.#common }] : this.#openBranches();
    for (const { lane, index, end } of lanes) {
      if (room === 0) break;
      const rows = Math.min(room, end - lane.position, lane.span);
      room -= rows;
      const outputs = this.#outputsOf(index, lane.position, rows);
      this.#parts.push({ lane, index, from: lane.position, rows, outputs, picks: this.#picksOf(index, lane.position, outputs) });
    }
    return this.#parts.map(({ lane, index, from, rows, outputs, picks }) => ({
      lane,
      tokens: (this.#texts[Math.max(0, index)] as ScoredText).tokens.subarray(from, from + rows),
      outputs,
      picks,
      coupleKey: this.#key,
    }));
  }

  /** Takes what the step of {@link next} gave; `top` and picked logits are of all of the step. */
  take({ result, firstOutputs, firstPicks }: RowsResult, firstPart: number): void {
    const { top, picked } = result;
    for (const [at, { picks }] of this.#parts.entries()) {
      const firstOutput = firstOutputs[firstPart + at] as number;
      const firstPick = firstPicks[firstPart + at] as number;
      for (const [number, { output, scores, position }] of picks.entries()) {
        const row = firstOutput + output;
        const logprob = (picked?.[firstPick + number] ?? Number.NaN) - (top?.logSumExp[row] ?? Number.NaN);
        scores.take(position, logprob, top?.tokens[row * top.count] ?? -1);
      }
    }
    this.#parts = [];
    this.#advance();
  }

  finish(): GroupScores {
    return { texts: this.#scores.map((scores) => scores.result()), usage: this.#usage };
  }

  close(): void {
    this.#root?.close();
    for (const { lane } of this.#branches ?? []) lane.close();
    this.#root = undefined;
    this.#branches = [];
  }

  #prepare(): void {
    if (this.#root !== undefined || this.#branches !== undefined) return;
    const { runner, policy } = this.#options;
    const promptTokens = this.#promptTokens();
    if (this.#common > 0) this.#root = Lane.open(runner, policy, promptTokens);
    else {
      this.#branches = [];
      for (const [index, { tokens }] of this.#texts.entries()) {
        const given = this.#given[index];
        this.#branches.push({ lane: Lane.open(runner, policy, given ? tokens.length - 1 : promptTokens, given), index });
      }
    }
  }

  #openBranches(): { lane: Lane; index: number; end: number }[] {
    return (this.#branches ?? []).map(({ lane, index }) => ({ lane, index, end: this.#rowsOf(index) }));
  }

  #advance(): void {
    const root = this.#root;
    if (root !== undefined && this.#branches === undefined && root.position === this.#common) {
      this.#usage = addUsage(this.#usage, root.usage);
      this.#branches = [];
      for (let index = 0; index < this.#texts.length; index++)
        if (this.#rowsOf(index) > this.#common) this.#branches.push({ lane: root.fork(), index });
      root.close();
      this.#root = undefined;
    }
    if (this.#branches === undefined) return;
    this.#branches = this.#branches.filter(({ lane, index }) => {
      if (lane.position < this.#rowsOf(index)) return true;
      this.#usage = addUsage(this.#usage, lane.usage);
      lane.close();
      return false;
    });
  }

  /** All of the longest text, so that none leaves its prompt; where prompts have a budget of their own, what is scored is the answer. */
  #promptTokens(): number {
    return this.#options.policy?.promptBudget === undefined
      ? Math.max(...this.#texts.map(({ tokens }) => tokens.length))
      : Math.min(...this.#texts.map(({ scoredFrom }) => scoredFrom));
  }

  /** The last token is scored and not run. */
  #rowsOf(index: number): number {
    return (this.#texts[index] as ScoredText).tokens.length - 1;
  }

  /** Rows of `from .. from + rows - 1` whose logits score a token; of the common beginning (-1) those that any text needs. */
  #outputsOf(index: number, from: number, rows: number): number[] {
    const first = index < 0 ? Math.min(...this.#texts.map(({ scoredFrom }) => scoredFrom)) : (this.#texts[index] as ScoredText).scoredFrom;
    const outputs: number[] = [];
    for (let row = Math.max(0, first - 1 - from); row < rows; row++) outputs.push(row);
    return outputs;
  }

  /** The tokens that these rows score: after the common beginning (-1) each text goes on with its own. */
  #picksOf(index: number, from: number, outputs: readonly number[]): ScoredToken[] {
    const takers = index < 0 ? [...this.#scores.keys()] : [index];
    return outputs.flatMap((row, output) => {
      const position = from + row + 1;
      return takers.flatMap((taker) => {
        const scores = this.#scores[taker] as TextScores;
        const token = (this.#texts[taker] as ScoredText).tokens[position] as number;
        return scores.scores(position) ? [{ output, token, scores, position }] : [];
      });
    });
  }
}

/** Rows that all texts begin with; the last token of each is not run. */
function commonRows(texts: readonly ScoredText[]): number {
  const [first] = texts;
  if (first === undefined || texts.length < 2) return 0;
  const most = Math.min(...texts.map(({ tokens }) => tokens.length - 1));
  let rows = 0;
  while (rows < most && texts.every(({ tokens }) => tokens[rows] === first.tokens[rows])) rows++;
  return rows;
}
