import { branchCount, createGateSet } from '@gateskip/gate';
import type { GateAdapter, Model } from '@gateskip/model';
import { resolveFitOptions } from '../fit/fit-options.js';
import type { ModelProfile } from './model-profile.js';
import { assertProfileFits } from './profile-file.js';

/**
 * The profile's mean outputs as stand-ins: those of the adapter are replaced, or, without one, an adapter is made that has
 * nothing but stand-ins, for policies that ask no gates. Its scores all tie and its curve is empty, so that no policy
 * which reads gates can be fooled by it.
 *
 * @throws ProfileMismatchError
 */
export function withProfileStandIns(profile: ModelProfile, model: Model, adapter?: GateAdapter): GateAdapter {
  assertProfileFits(profile, model, { allowOtherWeights: adapter !== undefined });
  const { config } = model;
  const branches = branchCount(config);
  const d = config.hiddenSize;
  const standIns = Array.from({ length: branches }, (_, branch) => profile.meanOutputs.slice(branch * d, (branch + 1) * d));
  if (adapter !== undefined) {
    const { standInMaps: _replacedToo, ...gates } = adapter.gates;
    return { ...adapter, gates: { ...gates, standIns } };
  }
  const gates = createGateSet({ variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false }, config, {
    seed: 0,
    weightStandardDeviation: 0,
  });
  return {
    formatVersion: 1,
    name: 'stand-ins',
    modelFingerprint: model.fingerprint,
    modelName: config.name,
    layers: config.layers,
    gates: { ...gates, standIns },
    calibration: {
      kv: 'project',
      tokens: 0,
      protectedBranches: resolveFitOptions({}, config).protectedBranches,
      pinnedTokens: profile.text.pinnedTokens,
      curve: [],
      levels: [],
      branchQuantiles: [],
    },
    provenance: {
      method: 'profile',
      command: 'withProfileStandIns',
      data: profile.text.description,
      license: 'not stated',
      created: '-',
      version: '-',
    },
  };
}
