import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { branchCount, type GateParameters, type GateSpec } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';

/**
 * Checks that an adapter's arrays fit a model before any of them is read.
 *
 * @throws ShapeMismatchError, InvalidArgumentError, UnsupportedError
 */
export function validateAdapter(config: ModelConfig, adapter: GateAdapter): void {
  const { gates } = adapter;
  if (adapter.layers !== config.layers) {
    throw new ShapeMismatchError(`Layers of adapter ${adapter.name}`, [config.layers], [adapter.layers], 'It was made for another model.');
  }
  if (gates.hiddenSize !== config.hiddenSize) {
    throw new ShapeMismatchError(`Width of adapter ${adapter.name}`, [config.hiddenSize], [gates.hiddenSize], 'It was made for another model.');
  }
  const branches = branchCount(config);
  if (gates.gates.length !== branches) throw new ShapeMismatchError('Gates, one per branch', [branches], [gates.gates.length]);
  const expected = parameterLengths(gates.spec, gates.hiddenSize);
  for (const [branch, parameters] of gates.gates.entries()) {
    for (const [key, length] of Object.entries(expected)) {
      const got = parameters[key as keyof GateParameters]?.length ?? 0;
      if (got !== length) throw new ShapeMismatchError(`${key} of gate ${branch} (${gates.spec.variant})`, [length], [got]);
    }
  }
  if (gates.standIns === undefined) return;
  if (gates.standIns.length !== branches) throw new ShapeMismatchError('Stand-ins, one per branch', [branches], [gates.standIns.length]);
  for (const [branch, standIn] of gates.standIns.entries()) {
    if (standIn.length !== gates.hiddenSize) throw new ShapeMismatchError(`Stand-in of branch ${branch}`, [gates.hiddenSize], [standIn.length]);
  }
}

function parameterLengths(spec: GateSpec, d: number): Partial<Record<keyof GateParameters, number>> {
  switch (spec.variant) {
    case 'vector':
      return { weight: d * d, bias: d };
    case 'scalar':
      return { weight: d, bias: 1 };
    case 'mlp': {
      const hidden = innerSize('hidden', spec.hidden);
      return { weight: d * hidden, bias: d, down: hidden * d, downBias: hidden };
    }
    case 'low-rank': {
      const rank = innerSize('rank', spec.rank);
      return { weight: d * rank, bias: d, down: rank * d };
    }
    case 'hybrid':
      return { weight: d * d, bias: d, scalarWeight: d, scalarBias: 1 };
    default:
      throw new UnsupportedError(`Gate variant ${String(spec.variant)} is not known.`);
  }
}

function innerSize(name: string, value: number | undefined): number {
  if (value === undefined || !Number.isInteger(value) || value < 1) throw new InvalidArgumentError(`The gates' ${name} must be a positive integer, got ${value}.`);
  return value;
}
