import { type Budget, formatBudget } from '@gateskip/scheduler';
import type { SkipStatistics } from './api.js';

/** Below this many decoded tokens no policy promises anything. */
const SETTLED_TOKENS = 64;
/** Five times the point that the default policy keeps to. */
const TOLERATED_SHARE = 0.05;

/** What a caller should know about how a budget was met. */
export function budgetWarnings(
  asked: Budget | undefined,
  { decode, branches }: Pick<SkipStatistics, 'decode' | 'branches'>,
  decodedTokens: number,
): readonly string[] {
  if (asked === undefined || decodedTokens < SETTLED_TOKENS) return [];
  const budget = formatBudget(asked);
  const warnings: string[] = [];
  if (missed(asked, decode)) {
    warnings.push(
      `Budget ${budget} was not held over ${decodedTokens} decoded tokens: ${percent(decode.skip)} skipped, net ${percent(decode.net)}. ` +
        'The policy may hold no budget one token at a time, or the gates may not tell tokens apart.',
    );
  }
  if (allAlike(branches)) {
    warnings.push(
      `Budget ${budget} was met by skipping all branches together for ${percent(Math.max(...branches))} of the tokens: ` +
        'the gates give every branch the same score (all open, all closed or one constant). Fit or train other gates.',
    );
  }
  return warnings;
}

function missed(asked: Budget, decode: SkipStatistics['decode']): boolean {
  if ('speedup' in asked) return false;
  const distance = 'skip' in asked ? asked.skip - decode.skip : asked.net - decode.net;
  return Math.abs(distance) > TOLERATED_SHARE;
}

/** Branches left out for good (share 1) are a choice; the same share of tokens in each of several branches is none. */
function allAlike(branches: readonly number[]): boolean {
  const skipping = branches.filter((share) => share > 0);
  const [first = 0] = skipping;
  return skipping.length > 1 && first < 1 && skipping.every((share) => share === first);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
