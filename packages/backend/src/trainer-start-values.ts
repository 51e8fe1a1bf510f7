import { branchCount } from '@gateskip/gate';
import { type ModelConfig, tensorShapes } from '@gateskip/model';
import type { TrainerOptions } from './trainer.js';
import { drawLoraDown, gateParameterPrefix, standInMapParameters } from './trainer-parameters.js';

/**
 * What a trainer has beside the model, by the names of `trainerParameters`, as it is before the first step, trained or not; the same on every
 * backend: gates, stand-ins and maps as given (copies), stand-ins that are to be trained and not given 0, low-rank `up` 0 and `down` drawn
 * (`drawLoraDown`), so that nothing is added yet.
 */
export function trainerStartValues(
  config: ModelConfig,
  options: Pick<TrainerOptions, 'gates' | 'lora' | 'trainable'>,
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  const { gates, lora, trainable } = options;
  for (let branch = 0; gates !== undefined && branch < branchCount(config); branch++) {
    const prefix = gateParameterPrefix(gates.spec.sharing, branch);
    for (const [field, array] of Object.entries(gates.gates[branch]!)) {
      if (!values.has(`${prefix}.${field}`)) values.set(`${prefix}.${field}`, (array as Float32Array).slice());
    }
    const standIn = gates.standIns?.[branch]?.slice() ?? (trainable.includes('standIns') ? new Float32Array(config.hiddenSize) : undefined);
    if (standIn !== undefined) values.set(`branches.${branch}.standIn`, standIn);
    const map = gates.standInMaps?.[branch];
    if (map === undefined) continue;
    const names = standInMapParameters(branch);
    values.set(names.down, map.down.slice());
    values.set(names.up, map.up.slice());
  }
  const tensors = tensorShapes(config);
  for (let layer = 0; lora !== undefined && layer < config.layers; layer++) {
    for (const matrix of lora.matrices) {
      const name = `layers.${layer}.${matrix}`;
      const [rows, columns] = tensors.get(name)!;
      values.set(`${name}.loraDown`, drawLoraDown(lora.seed, layer, matrix, lora.rank, columns));
      values.set(`${name}.loraUp`, new Float32Array(rows * lora.rank));
    }
  }
  return values;
}
