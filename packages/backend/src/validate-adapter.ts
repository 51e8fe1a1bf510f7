import { ShapeMismatchError } from '@gateskip/errors';
import { validateGateSet } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';
import type { BackboneChange } from './contract.js';
import { validateBackbone } from './validate-backbone.js';

/**
 * Checks that an adapter's arrays fit a model before any of them is read.
 *
 * @param carried backbone changes that the backend applies; an adapter with others is refused
 * @throws ShapeMismatchError, GateNotFiniteError, InvalidArgumentError, UnsupportedError
 */
export function validateAdapter(config: ModelConfig, adapter: GateAdapter, carried: readonly BackboneChange[] = []): void {
  if (adapter.layers !== config.layers) {
    throw new ShapeMismatchError(`Layers of adapter ${adapter.name}`, [config.layers], [adapter.layers], 'It was made for another model.');
  }
  validateGateSet(adapter.gates, config);
  validateBackbone(config, adapter, carried);
}
