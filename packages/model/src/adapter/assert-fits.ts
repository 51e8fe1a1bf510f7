import type { Model } from '../model.js';
import { AdapterMismatchError } from './errors.js';
import type { GateAdapter } from './gate-adapter.js';

export interface FitOptions {
  /** Accept a file of other weights of the same shape (another quantization of the same model, say); default false. */
  readonly allowOtherWeights?: boolean;
}

/** Throws unless the adapter was made for this model. @throws AdapterMismatchError with both shapes */
export function assertAdapterFits(adapter: GateAdapter, model: Pick<Model, 'config' | 'fingerprint'>, options: FitOptions = {}): void {
  const { config } = model;
  const expected = { layers: config.layers, hiddenSize: config.hiddenSize };
  const got = { layers: adapter.layers, hiddenSize: adapter.gates.hiddenSize };
  if (expected.layers !== got.layers || expected.hiddenSize !== got.hiddenSize) {
    throw new AdapterMismatchError(
      `Adapter "${adapter.name}" is for ${adapter.modelName} with ${got.layers} layers of width ${got.hiddenSize}; model "${config.name}" has ${expected.layers} layers of width ${expected.hiddenSize}.`,
      expected,
      got,
    );
  }
  if (adapter.modelFingerprint === model.fingerprint || options.allowOtherWeights) return;
  throw new AdapterMismatchError(
    `Adapter "${adapter.name}" was made for other weights (${adapter.modelName}, ${adapter.modelFingerprint.slice(0, 12)}) than those of model "${config.name}" (${model.fingerprint.slice(0, 12)}).`,
    { fingerprint: model.fingerprint, ...expected },
    { fingerprint: adapter.modelFingerprint, ...got },
  );
}
