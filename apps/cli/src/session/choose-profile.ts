import type { Model } from '@gateskip/model';
import type { ModelProfile } from '@gateskip/train';
import { UsageError } from '../errors.js';

/**
 * The profile of `--profile`, made for this very model.
 *
 * @throws ProfileInvalidError, ProfileMismatchError, UsageError
 */
export async function chooseProfile(model: Model, path: string | undefined, allowOtherWeights = false): Promise<ModelProfile | undefined> {
  if (path === undefined) return undefined;
  if (path === '') throw new UsageError('--profile is empty.', 'Name a file that gateskip profile wrote.', { what: '--profile' });
  const { assertProfileFits, readProfile } = await import('@gateskip/train');
  const profile = await readProfile(path);
  assertProfileFits(profile, model, { allowOtherWeights });
  return profile;
}
