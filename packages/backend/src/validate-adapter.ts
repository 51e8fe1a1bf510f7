import { ShapeMismatchError } from '@gateskip/errors';
import { validateGateSet } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';

/**
 * Checks that an adapter's arrays fit a model before any of them is read.
 *
 * @throws ShapeMismatchError, GateNotFiniteError, InvalidArgumentError, UnsupportedError
 */
export function validateAdapter(config: ModelConfig, adapter: GateAdapter): void {
  if (adapter.layers !== config.layers) {
    throw new ShapeMismatchError(`Layers of adapter ${adapter.name}`, [config.layers], [adapter.layers], 'It was made for another model.');
  }
  validateGateSet(adapter.gates, config);
}
