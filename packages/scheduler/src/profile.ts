import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';

/** What policies read of a profile: measurements of the dense model on a text. `profileModel` of @gateskip/train makes them. */
export interface BranchProfile {
  /** Per layer, 1 - mean cosine between what goes into it and what comes out: [L]. ShortGPT, arXiv 2403.03853. */
  readonly blockInfluence: readonly number[];
  /** Per branch, mean KL(dense || dense without that branch) in nats per token: [2L]. */
  readonly removalKl: readonly number[];
}

/** @throws ShapeMismatchError, InvalidArgumentError */
export function checkProfile(profile: BranchProfile, layers: number): void {
  checkNumbers('Block influence of the profile', profile.blockInfluence, layers);
  checkNumbers('Removal KL of the profile', profile.removalKl, 2 * layers);
}

function checkNumbers(what: string, values: readonly number[], count: number): void {
  if (!Array.isArray(values) || values.length !== count)
    throw new ShapeMismatchError(what, [count], [Array.isArray(values) ? values.length : 0], 'The profile was made for another model.');
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new InvalidArgumentError(`${what} is ${values[bad]} at ${bad}.`, 'The profile is damaged: make it again.');
}
