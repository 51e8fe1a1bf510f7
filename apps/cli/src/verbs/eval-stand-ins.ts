import { UsageError } from '../errors.js';
import type { OpenModel } from '../session/with-model.js';

export type StandInSource = 'gates' | 'profile' | 'none';

/**
 * The model with the stand-ins that all runs shall use, so that a baseline without gates is given the same means as it would be
 * from its own measurement. Without a gate file those of a profile make an adapter of stand-ins alone.
 *
 * @throws UsageError, ProfileMismatchError
 */
export async function chooseStandIns(open: OpenModel, source: StandInSource | undefined): Promise<OpenModel> {
  const { chosen, profile, model } = open;
  if (source === 'gates' && chosen?.adapter.gates.standIns === undefined)
    throw new UsageError('There is no gate file with stand-ins.', 'Give --adapter, or --stand-ins profile with --profile.', {
      what: '--stand-ins',
    });
  if (source !== 'profile') return open;
  if (profile === undefined)
    throw new UsageError('--stand-ins profile needs a profile.', 'Make one with gateskip profile, and give --profile FILE.', {
      what: '--stand-ins',
    });
  const { withProfileStandIns } = await import('@gateskip/train');
  const adapter = withProfileStandIns(profile, model, chosen?.adapter);
  // Results name the adapter: those with other stand-ins must not look the same.
  const name = chosen ? `${adapter.name}, stand-ins of the profile` : 'stand-ins of the profile';
  return { ...open, chosen: { adapter: { ...adapter, name }, origin: chosen?.origin ?? 'file' } };
}
