import { InvalidArgumentError } from '@gateskip/errors';
import type { KvMode } from '@gateskip/gate';

export interface ProfileOptions {
  /** About how many tokens influence, norms and means are of, taken evenly over the text; default 4096. */
  readonly tokens?: number;
  /** Longest piece of text run at once; default 256, at most the model's context. */
  readonly windowTokens?: number;
  /** About how many tokens are run once without each branch; default 512. */
  readonly removalTokens?: number;
  /** Predictions at most that are compared for each branch; default 256. */
  readonly removalRows?: number;
  /** First tokens of a window that are not measured and never dropped; default 4. */
  readonly pinnedTokens?: number;
  /** What becomes of K and V of a dropped attention branch; default `project`. */
  readonly kv?: KvMode;
}

export type ResolvedProfileOptions = Required<ProfileOptions>;

/** Fills in defaults. @throws InvalidArgumentError naming the option and its range */
export function resolveProfileOptions(options: ProfileOptions, shape: { readonly contextLength: number }): ResolvedProfileOptions {
  const { tokens = 4096, removalTokens = 512, removalRows = 256, pinnedTokens = 4, kv = 'project' } = options;
  const windowTokens = Math.min(options.windowTokens ?? 256, shape.contextLength);
  whole('tokens', tokens, 32, 4_194_304);
  whole('windowTokens', windowTokens, 16, 2048);
  whole('removalTokens', removalTokens, 16, 1_048_576);
  whole('removalRows', removalRows, 1, 65_536);
  whole('pinnedTokens', pinnedTokens, 0, 15);
  if (!['project', 'absent', 'alias'].includes(kv))
    throw new InvalidArgumentError(`kv is ${JSON.stringify(kv)}.`, 'Pass project, absent or alias.', { what: 'kv', got: kv });
  return { tokens, windowTokens, removalTokens, removalRows, pinnedTokens, kv };
}

function whole(what: string, got: number, least: number, most: number): void {
  if (Number.isInteger(got) && got >= least && got <= most) return;
  throw new InvalidArgumentError(`${what} is ${got}.`, `Pass ${least}..${most}.`, { what, expected: [least, most], got });
}
