import type { Runner } from '@gateskip/backend';
import type { GateSet } from '@gateskip/gate';
import type { GateAdapter } from '@gateskip/model';
import { emptyCalibration } from './empty-calibration.js';
import type { FitRequest } from './fit-adapter.js';
import type { ResolvedFitOptions } from './fit-options.js';

export type DraftRequest = Pick<FitRequest, 'model' | 'backend' | 'load' | 'name' | 'provenance' | 'signal'>;

/** The model loaded, with an adapter or without, for as long as `use` takes. */
export async function withRunner<T>(
  request: DraftRequest,
  adapter: GateAdapter | undefined,
  use: (runner: Runner) => Promise<T>,
): Promise<T> {
  const { model, backend, load, signal } = request;
  const runner = await backend.load(model, { ...load, ...(adapter && { adapter }), ...(signal && { signal }) });
  try {
    return await use(runner);
  } finally {
    await runner.close();
  }
}

/** An adapter whose curve is still to be measured. */
export function draftAdapter(
  request: DraftRequest,
  gates: GateSet,
  options: Pick<ResolvedFitOptions, 'kv' | 'protectedBranches' | 'pinnedTokens'>,
): GateAdapter {
  return {
    formatVersion: 1,
    name: request.name,
    modelFingerprint: request.model.fingerprint,
    modelName: request.model.config.name,
    layers: request.model.config.layers,
    gates,
    calibration: emptyCalibration(request.model.config.layers, options),
    provenance: request.provenance,
  };
}
