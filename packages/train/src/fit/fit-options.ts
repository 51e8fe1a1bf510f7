import { InvalidArgumentError } from '@gateskip/errors';
import type { KvMode } from '@gateskip/gate';

/** What gates are fitted to tell; see {@link FitOptions.importance}. */
export type ImportanceMeasure = (typeof IMPORTANCE_MEASURES)[number];

export const IMPORTANCE_MEASURES = ['fisher', 'measured', 'norm'] as const;

export interface FitOptions {
  /** Calibration tokens used at most, taken evenly over the text; default 8192. */
  readonly tokens?: number;
  /** Longest piece of text run at once; default 512, at most the model's context. */
  readonly windowTokens?: number;
  /** Share of the text held out, for regularisation and for the report's qualities; default 0.15. */
  readonly heldOutShare?: number;
  /** How skipped rows' K and V are treated, in calibration and in use; default `project`. */
  readonly kv?: KvMode;
  /** First tokens of a sequence that never skip; default 4. */
  readonly pinnedTokens?: number;
  /** Branches that never skip; default: those of the first two layers and the last MLP. */
  readonly protectedBranches?: readonly number[];
  /** Share of branch-token evaluations skipping at which the stand-ins are averaged; default 0.3. */
  readonly standInShare?: number;
  /**
   * Rank of the stand-ins' maps: stand-ins then follow the token, at `2 d rank` MACs for each skip. 0: vectors alone. Default 16; less
   * in models narrower than 512, where it would cost too much of what a skip saves: a 32nd of the width.
   */
  readonly standInRank?: number;
  /**
   * What gates are fitted to tell. `norm`, the default: how much a skip changes the stream relative to it, weighed by what leaving the
   * branch out costs; nothing but runs of the model. `fisher`: what a skip costs the model's predictions, by their Fisher information;
   * takes a backward pass of the text, so a backend that can train and the model's weights in the precision that it trains in. Better
   * where little is skipped, worse on conversations where much is. `measured`: as `norm`, corrected by what skips are seen to cost
   * predictions where others skip too; takes two more runs of the text forward and backward, and is the best of the three throughout.
   */
  readonly importance?: ImportanceMeasure;
  /** The gates predict the loss of a skip to this power, 0.1..1: below 1 large losses count less. Default 0.5. */
  readonly lossPower?: number;
  /** Rounds of gates and stand-ins before the losses that count are measured (`norm`, `measured`: branch weights); one more follows. Default 1. */
  readonly rounds?: number;
  /** `norm`, `measured`: tokens on which each branch's weight is measured by skipping it; 0: all weigh the same. Default 512. */
  readonly weightTokens?: number;
  /** `norm`, `measured`: share of those tokens that skip the branch; default 0.5. */
  readonly weightShare?: number;
  /** Tokens each point of the curve is measured on, at least; default 2048. */
  readonly curveTokens?: number;
  /** Held-out rows whose logits are compared with the dense model's, at each point; default 384. */
  readonly qualityRows?: number;
  /** Shares of the unprotected evaluations that the points of the curve aim at, ascending. */
  readonly curveShares?: readonly number[];
  /** Conjugate gradient iterations per branch, at most; default 24. */
  readonly maxIterations?: number;
  /** Memory for hidden states, bytes; default 4 GiB. */
  readonly memoryBytes?: number;
}

export type ResolvedFitOptions = Required<FitOptions>;

const CURVE_SHARES = [0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.37, 0.45, 0.55, 0.65, 0.75, 0.85];

/** Fills in defaults. @throws InvalidArgumentError naming the option and its range */
export function resolveFitOptions(
  options: FitOptions,
  shape: { layers: number; contextLength: number; hiddenSize: number },
): ResolvedFitOptions {
  const branches = 2 * shape.layers;
  const resolved: ResolvedFitOptions = {
    tokens: options.tokens ?? 8192,
    windowTokens: Math.min(options.windowTokens ?? 512, shape.contextLength),
    heldOutShare: options.heldOutShare ?? 0.15,
    kv: options.kv ?? 'project',
    pinnedTokens: options.pinnedTokens ?? 4,
    protectedBranches: options.protectedBranches ?? defaultProtected(branches),
    standInShare: options.standInShare ?? 0.3,
    standInRank: options.standInRank ?? Math.min(16, Math.floor(shape.hiddenSize / 32)),
    importance: options.importance ?? 'norm',
    lossPower: options.lossPower ?? 0.5,
    rounds: options.rounds ?? 1,
    weightTokens: options.weightTokens ?? 512,
    weightShare: options.weightShare ?? 0.5,
    curveTokens: options.curveTokens ?? 2048,
    qualityRows: options.qualityRows ?? 384,
    curveShares: options.curveShares ?? CURVE_SHARES,
    maxIterations: options.maxIterations ?? 24,
    memoryBytes: options.memoryBytes ?? 4 * 2 ** 30,
  };
  whole('tokens', resolved.tokens, 64, 4_194_304);
  whole('windowTokens', resolved.windowTokens, 32, 65_536);
  within('heldOutShare', resolved.heldOutShare, 0.02, 0.5);
  whole('pinnedTokens', resolved.pinnedTokens, 0, 15);
  within('standInShare', resolved.standInShare, 0.01, 0.99);
  whole('standInRank', resolved.standInRank, 0, shape.hiddenSize);
  within('lossPower', resolved.lossPower, 0.1, 1);
  whole('rounds', resolved.rounds, 1, 16);
  whole('weightTokens', resolved.weightTokens, 0, 65_536);
  within('weightShare', resolved.weightShare, 0.05, 1);
  whole('curveTokens', resolved.curveTokens, 32, 4_194_304);
  whole('qualityRows', resolved.qualityRows, 1, 65_536);
  whole('maxIterations', resolved.maxIterations, 1, 1000);
  within('memoryBytes', resolved.memoryBytes, 1, Number.MAX_SAFE_INTEGER);
  if (!['project', 'absent', 'alias'].includes(resolved.kv)) {
    throw new InvalidArgumentError(`kv is "${resolved.kv}".`, 'Pass project, absent or alias.', { what: 'kv', got: resolved.kv });
  }
  if (!IMPORTANCE_MEASURES.includes(resolved.importance)) {
    throw new InvalidArgumentError(`importance is "${resolved.importance}".`, 'Pass fisher, measured or norm.', {
      what: 'importance',
      got: resolved.importance,
    });
  }
  for (const branch of resolved.protectedBranches) whole('protectedBranches', branch, 0, branches - 1);
  if (resolved.curveShares.length === 0 || resolved.curveShares.length > 64) {
    throw new InvalidArgumentError('curveShares needs 1..64 shares.', '', { what: 'curveShares', got: resolved.curveShares.length });
  }
  resolved.curveShares.forEach((share, index) => within('curveShares', share, (resolved.curveShares[index - 1] ?? 0) + 1e-6, 0.999));
  return resolved;
}

/** Share of the free branches' rows below the highest threshold that will be asked for. */
export function highestShare({ curveShares }: Pick<ResolvedFitOptions, 'curveShares'>): number {
  return Math.max(0.05, curveShares.at(-1)!);
}

/** The first two layers and the last MLP: leaving those out ruins every model measured. */
function defaultProtected(branches: number): number[] {
  // A model of three layers or fewer keeps a layer to skip.
  const first = branches >= 8 ? 4 : 2;
  return [...Array.from({ length: Math.min(first, branches - 2) }, (_, branch) => branch), branches - 1];
}

function whole(what: string, got: number, least: number, most: number): void {
  if (!Number.isInteger(got) || got < least || got > most) refuse(what, got, least, most);
}

function within(what: string, got: number, least: number, most: number): void {
  if (!(got >= least && got <= most)) refuse(what, got, least, most);
}

function refuse(what: string, got: number, least: number, most: number): never {
  throw new InvalidArgumentError(`${what} is ${got}.`, `Pass ${least}..${most}.`, { what, expected: [least, most], got });
}
