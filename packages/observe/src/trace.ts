import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { HeatMapTooLargeError } from './errors.js';

/** What the gates did with each token: the trace of a generation, or any data of the same form. */
export interface SkipTrace {
  readonly tokens: readonly number[];
  /** Text of each token. */
  readonly texts: readonly string[];
  /** 2L: attention of layer i is branch 2i, its MLP 2i + 1. */
  readonly branches: number;
  /** [tokens, branches], in (0, 1); NaN where no gate was asked. */
  readonly scores: Float32Array;
  /** [tokens, branches]: 1 = computed, 0 = skipped. */
  readonly kept: Uint8Array;
  /** The first tokens, which came from the prompt. */
  readonly promptTokens: number;
}

export type BranchKinds = 'both' | 'attention' | 'mlp';

export const MAX_BRANCHES = 4096;
export const MAX_CELLS = 16_777_216;

/** @throws ShapeMismatchError, InvalidArgumentError, HeatMapTooLargeError */
export function checkTrace(trace: SkipTrace): void {
  const { branches } = trace;
  const count = trace.tokens.length;
  if (!Number.isInteger(branches) || branches < 2 || branches % 2 !== 0) {
    throw new InvalidArgumentError(`A trace has an even number of branches, at least 2; got ${branches}.`, 'Pass 2 x layers.', {
      what: 'branches',
      got: branches,
    });
  }
  if (branches > MAX_BRANCHES) throw new HeatMapTooLargeError('Branches of the trace', branches, MAX_BRANCHES);
  if (count === 0) throw new InvalidArgumentError('The trace holds no token.', 'Trace at least one token.', { what: 'tokens', got: 0 });
  if (count * branches > MAX_CELLS) throw new HeatMapTooLargeError('Cells of the trace', count * branches, MAX_CELLS);
  if (trace.texts.length !== count) throw new ShapeMismatchError('texts of the trace', [count], [trace.texts.length]);
  if (trace.scores.length !== count * branches)
    throw new ShapeMismatchError('scores of the trace', [count, branches], [trace.scores.length]);
  if (trace.kept.length !== count * branches) throw new ShapeMismatchError('kept of the trace', [count, branches], [trace.kept.length]);
  if (!Number.isInteger(trace.promptTokens) || trace.promptTokens < 0 || trace.promptTokens > count) {
    throw new InvalidArgumentError(`promptTokens is ${trace.promptTokens}, but the trace has ${count} tokens.`, 'Pass 0..tokens.', {
      what: 'promptTokens',
      expected: [0, count],
      got: trace.promptTokens,
    });
  }
}

/** The tokens `from <= position < to`. @throws InvalidArgumentError */
export function tokenRange(count: number, from = 0, to = count): { readonly from: number; readonly to: number } {
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > count || from >= to) {
    throw new InvalidArgumentError(`No tokens from ${from} to ${to} in a trace of ${count}.`, 'Pass 0 <= from < to <= tokens.', {
      what: 'from, to',
      expected: [0, count],
      got: [from, to],
    });
  }
  return { from, to };
}

export const isKept = (trace: SkipTrace, token: number, branch: number): boolean => trace.kept[token * trace.branches + branch] !== 0;
export const scoreAt = (trace: SkipTrace, token: number, branch: number): number =>
  trace.scores[token * trace.branches + branch] ?? Number.NaN;

/** Share of cells skipped among tokens `from..to` and every `step`-th branch from `first` up to `last`. */
export function skipShare(trace: SkipTrace, from: number, to: number, first: number, last: number, step = 1): number {
  let skipped = 0;
  let cells = 0;
  for (let token = from; token < to; token++) {
    for (let branch = first; branch < last; branch += step) {
      cells++;
      if (!isKept(trace, token, branch)) skipped++;
    }
  }
  return cells === 0 ? 0 : skipped / cells;
}
