import { TOKEN_CLASSES, type TokenClass, tokenClass } from './token-class.js';
import { checkTrace, isKept, type SkipTrace, scoreAt, skipShare } from './trace.js';

export interface BranchSummary {
  readonly branch: number;
  readonly layer: number;
  readonly kind: 'attention' | 'mlp';
  /** Share of tokens that skipped it. */
  readonly skip: number;
  /** Over the finite scores; null where there is none. */
  readonly meanScore: number | null;
}

export interface TraceSummary {
  readonly tokens: number;
  readonly promptTokens: number;
  readonly layers: number;
  /** Shares of branch-token evaluations skipped; null where there is no such token. */
  readonly skip: { readonly all: number; readonly prompt: number | null; readonly answer: number | null };
  readonly byKind: { readonly attention: number; readonly mlp: number };
  readonly byBranch: readonly BranchSummary[];
  readonly byLayer: readonly { readonly layer: number; readonly skip: number }[];
  readonly byToken: readonly {
    readonly position: number;
    readonly token: number;
    readonly text: string;
    readonly class: TokenClass;
    readonly skip: number;
  }[];
  /** Classes that occur, in the order of `TOKEN_CLASSES`. */
  readonly byClass: readonly { readonly class: TokenClass; readonly count: number; readonly skip: number }[];
}

/**
 * Where a generation skipped: shares per branch, layer, token and class of token. Plain data, ready for JSON.
 *
 * @throws ShapeMismatchError, InvalidArgumentError, HeatMapTooLargeError
 */
export function summarizeTrace(trace: SkipTrace): TraceSummary {
  checkTrace(trace);
  const { branches, promptTokens } = trace;
  const count = trace.tokens.length;
  const share = (from: number, to: number, first = 0, last = branches, step = 1): number => skipShare(trace, from, to, first, last, step);
  const byToken = trace.tokens.map((token, position) => {
    const text = trace.texts[position] as string;
    return { position, token, text, class: tokenClass(text, position), skip: share(position, position + 1) };
  });
  return {
    tokens: count,
    promptTokens,
    layers: branches / 2,
    skip: {
      all: share(0, count),
      prompt: promptTokens > 0 ? share(0, promptTokens) : null,
      answer: promptTokens < count ? share(promptTokens, count) : null,
    },
    byKind: { attention: share(0, count, 0, branches, 2), mlp: share(0, count, 1, branches, 2) },
    byBranch: Array.from({ length: branches }, (_, branch) => summarizeBranch(trace, branch)),
    byLayer: Array.from({ length: branches / 2 }, (_, layer) => ({ layer, skip: share(0, count, 2 * layer, 2 * layer + 2) })),
    byToken,
    byClass: TOKEN_CLASSES.flatMap((name) => {
      const members = byToken.filter((token) => token.class === name);
      if (members.length === 0) return [];
      return [{ class: name, count: members.length, skip: members.reduce((sum, token) => sum + token.skip, 0) / members.length }];
    }),
  };
}

function summarizeBranch(trace: SkipTrace, branch: number): BranchSummary {
  let skipped = 0;
  let sum = 0;
  let scored = 0;
  for (let token = 0; token < trace.tokens.length; token++) {
    if (!isKept(trace, token, branch)) skipped++;
    const score = scoreAt(trace, token, branch);
    if (Number.isFinite(score)) {
      sum += score;
      scored++;
    }
  }
  return {
    branch,
    layer: branch >> 1,
    kind: branch % 2 === 0 ? 'attention' : 'mlp',
    skip: skipped / trace.tokens.length,
    meanScore: scored === 0 ? null : sum / scored,
  };
}
