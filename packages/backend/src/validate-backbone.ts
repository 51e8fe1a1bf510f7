import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { GateNotFiniteError } from '@gateskip/gate';
import {
  type BackboneChanges,
  type GateAdapter,
  type LoraChanges,
  layerMatrices,
  type ModelConfig,
  maxLoraRank,
  tensorShapes,
} from '@gateskip/model';
import type { BackboneChange } from './contract.js';

/** Why an adapter's backbone changes cannot be applied by a backend that applies `carried`; empty = they can. */
export function backboneRefusals(adapter: GateAdapter | undefined, carried: readonly BackboneChange[]): string[] {
  const { lora, norms } = adapter?.backbone ?? {};
  const reasons: string[] = [];
  if (lora !== undefined && !carried.includes('lora')) reasons.push('Low-rank additions of adapters are not implemented.');
  if (norms !== undefined && !carried.includes('norms')) reasons.push('Norm weights of adapters are not implemented.');
  return reasons;
}

/** Checks that backbone changes fit a model. @throws as `validateAdapter` */
export function validateBackbone(config: ModelConfig, adapter: GateAdapter, carried: readonly BackboneChange[]): void {
  const { backbone } = adapter;
  if (backbone === undefined) return;
  const refusals = backboneRefusals(adapter, carried);
  if (refusals.length > 0)
    throw new UnsupportedError(refusals.join(' '), `Take another backend for adapter ${adapter.name}, or another adapter.`, {
      what: 'backboneChanges',
      expected: carried,
    });
  if (backbone.lora !== undefined) validateLora(config, backbone.lora);
  validateNorms(config, backbone.norms);
}

function validateLora(config: ModelConfig, { rank, alpha, matrices, layers }: LoraChanges): void {
  if (!Number.isInteger(rank) || rank < 1 || rank > maxLoraRank)
    throw new InvalidArgumentError(`The rank of low-rank additions must be a whole number in 1..${maxLoraRank}, got ${rank}.`);
  if (!Number.isFinite(alpha)) throw new InvalidArgumentError(`alpha of low-rank additions must be a finite number, got ${alpha}.`);
  if (new Set(matrices).size !== matrices.length || matrices.length === 0)
    throw new InvalidArgumentError(`Low-rank additions must name each of their matrices once, got ${matrices.join(', ') || 'none'}.`);
  for (const matrix of matrices)
    if (!layerMatrices.includes(matrix))
      throw new InvalidArgumentError(`Matrix ${String(matrix)} is not known.`, `Known: ${layerMatrices.join(', ')}.`);
  if (layers.length !== config.layers) throw new ShapeMismatchError('Layers of low-rank additions', [config.layers], [layers.length]);
  const shapes = tensorShapes(config);
  for (const [layer, factors] of layers.entries()) {
    for (const matrix of layerMatrices) {
      const what = `Low-rank addition to layers.${layer}.${matrix}`;
      const isNamed = matrices.includes(matrix);
      const own = factors[matrix];
      if (isNamed !== (own !== undefined))
        throw new InvalidArgumentError(`${what} is ${isNamed ? 'missing' : 'there, but its matrix is not named'}.`);
      if (own === undefined) continue;
      const [rows, columns] = shapes.get(`layers.${layer}.${matrix}`)!;
      if (rank > Math.min(rows, columns))
        throw new InvalidArgumentError(`${what}: rank ${rank} is above the smaller side of [${rows}, ${columns}].`);
      checkArray(`${what}, down`, own.down, [rank, columns]);
      checkArray(`${what}, up`, own.up, [rows, rank]);
    }
  }
}

function validateNorms(config: ModelConfig, norms: BackboneChanges['norms']): void {
  const shapes = tensorShapes(config);
  for (const [name, values] of norms ?? []) {
    if (!/norm$/i.test(name) || !shapes.has(name))
      throw new InvalidArgumentError(`${name} is no norm of a model of ${config.layers} layers.`);
    checkArray(name, values, [config.hiddenSize]);
  }
}

function checkArray(what: string, values: ArrayLike<number>, shape: readonly number[]): void {
  const length = shape.reduce((product, side) => product * side, 1);
  if (values?.length !== length) throw new ShapeMismatchError(what, shape, [values?.length], 'The adapter was made for another model.');
  for (let i = 0; i < length; i++) if (!Number.isFinite(values[i])) throw new GateNotFiniteError(what, i, values[i]!);
}
