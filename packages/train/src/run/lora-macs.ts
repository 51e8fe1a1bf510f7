import type { Trainer, TrainStepResult } from '@gateskip/backend';
import type { KvMode } from '@gateskip/gate';
import { type LoraRowCosts, layerMatrices } from '@gateskip/model';

export const noLoraMacs: LoraRowCosts = { attention: 0, keyValue: 0, mlp: 0 };

/** What the low-rank additions of a trainer cost a row in one layer where they run beside the weights. */
export function loraMacs({ parameters }: Trainer): LoraRowCosts {
  const costs = { attention: 0, keyValue: 0, mlp: 0 };
  for (const matrix of layerMatrices) {
    const macs = parameters
      .filter(({ name, group }) => group === 'lora' && name.startsWith(`layers.0.${matrix}.`))
      .reduce((sum, { value }) => sum + value.length, 0);
    if (matrix.startsWith('mlp')) costs.mlp += macs;
    else costs.attention += macs;
    if (matrix === 'key' || matrix === 'value') costs.keyValue += macs;
  }
  return costs;
}

/** What they cost in a step: a trainer leaves them out, a runner counts them. */
export function stepLoraMacs({ kept }: TrainStepResult, rows: number, kv: KvMode, costs: LoraRowCosts): number {
  let macs = 0;
  for (const [branch, computed] of kept.entries()) {
    if (branch % 2 === 1) macs += computed * costs.mlp;
    else macs += computed * costs.attention + (kv === 'project' ? rows - computed : 0) * costs.keyValue;
  }
  return macs;
}
