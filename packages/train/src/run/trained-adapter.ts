import type { Trainer } from '@gateskip/backend';
import type { Calibration, GateParameters, GateSet } from '@gateskip/gate';
import { type BackboneChanges, type GateAdapter, type LayerMatrix, type LoraFactors, loraNames, normNames } from '@gateskip/model';
import type { TrainingRecipe } from '../recipes/recipe.js';
import type { TrainRequest } from './train-request.js';
import { makesModel } from './trained-model.js';

/** The gates as they are now, not live. */
export function copyGates(gates: GateSet): GateSet {
  const copies = new Map<GateParameters, GateParameters>();
  const copyOf = (gate: GateParameters): GateParameters => {
    // Shared gates repeat the same object, and do so in the copy.
    const known = copies.get(gate);
    if (known) return known;
    const copy = Object.fromEntries(
      Object.entries(gate).map(([name, values]) => [name, (values as Float32Array).slice()]),
    ) as unknown as GateParameters;
    copies.set(gate, copy);
    return copy;
  };
  return {
    ...gates,
    gates: gates.gates.map(copyOf),
    ...(gates.standIns && { standIns: gates.standIns.map((standIn) => standIn.slice()) }),
    ...(gates.standInMaps && { standInMaps: gates.standInMaps.map(({ down, up }) => ({ down: down.slice(), up: up.slice() })) }),
  };
}

/** What was trained as an adapter to the model of the request, with a calibration measured elsewhere. */
export function trainedAdapter(request: TrainRequest, trainer: Trainer, calibration: Calibration): GateAdapter {
  const { model, name, provenance, recipe } = request;
  const backbone = makesModel(recipe) ? undefined : backboneChanges(trainer, recipe);
  return {
    formatVersion: backbone ? 2 : 1,
    name,
    modelFingerprint: model.fingerprint,
    modelName: model.config.name,
    layers: model.config.layers,
    gates: copyGates(trainer.gates!),
    ...(backbone && { backbone }),
    calibration,
    provenance,
  };
}

/** What was trained of the model itself: copies. */
function backboneChanges({ parameters, config }: Trainer, { lora }: TrainingRecipe): BackboneChanges | undefined {
  const values = new Map(parameters.map(({ name, value }) => [name, value]));
  const norms = new Map(normNames(config.layers).flatMap((name) => (values.has(name) ? [[name, values.get(name)!.slice()] as const] : [])));
  if (lora === undefined && norms.size === 0) return undefined;
  const factors = (layer: number): Partial<Record<LayerMatrix, LoraFactors>> =>
    Object.fromEntries(
      (lora?.matrices ?? []).map((matrix) => {
        const { down, up } = loraNames(layer, matrix);
        return [matrix, { down: values.get(down)!.slice(), up: values.get(up)!.slice() }];
      }),
    );
  const { rank, alpha, matrices } = lora ?? { rank: 0, alpha: 0, matrices: [] };
  return {
    ...(lora && { lora: { rank, alpha, matrices, layers: Array.from({ length: config.layers }, (_, layer) => factors(layer)) } }),
    ...(norms.size > 0 && { norms }),
  };
}
