import {
  DEFAULT_MAX_TRAIN_ROWS,
  gateParameterPrefix,
  LAYER_MATRICES,
  type LayerMatrix,
  type LoraOptions,
  standInMapParameters,
  type Trainer,
  type TrainerOptions,
  trainerParameters,
  trainerStartValues,
  validateTrainerOptions,
} from '@gateskip/backend';
import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, type GateGradients, type GateParameters, type GateSet, gateParameterShapes } from '@gateskip/gate';
import { type Model, type ModelConfig, rotaryFrequencies, tensorShapes } from '@gateskip/model';
import { readWeights, type Weights } from '../weights.js';
import type { Parameter } from './parameter.js';
import { type LowRank, Projection } from './projection.js';
import { ReferenceTrainer } from './reference-trainer.js';
import type { TrainingGates, TrainingLayer, TrainingModel } from './training-model.js';

type Store = ReadonlyMap<string, Parameter>;

/** Reads the model and lays out what is trained beside what is frozen. */
export async function loadTrainer(model: Model, options: TrainerOptions): Promise<Trainer> {
  const { config } = model;
  const unknown = Object.keys(options.extra ?? {});
  if (unknown.length > 0)
    throw new InvalidArgumentError(`Option ${unknown.join(', ')} is not known to the reference backend.`, 'It has no extra options.');
  validateTrainerOptions(config, options);
  const weights = await readWeights(model, options.onProgress, options.signal);
  const starts = [...modelValues(weights), ...trainerStartValues(config, options)];
  const described = trainerParameters(config, options);
  const trained = new Set(described.map(({ name }) => name));
  const store = new Map<string, Parameter>();
  for (const [name, start] of starts) {
    const isTrained = trained.has(name);
    store.set(name, isTrained ? { value: start.slice(), gradient: new Float64Array(start.length) } : { value: start, gradient: undefined });
  }
  const gates = options.gates && assembleGates(config, options.gates, store);
  const parameters = described.map((description) => {
    const { value, gradient } = store.get(description.name)!;
    return { ...description, value, gradient: gradient! };
  });
  const training: TrainingModel = {
    config,
    frequencies: rotaryFrequencies(config),
    tokenEmbedding: store.get('tokenEmbedding')!,
    layers: Array.from({ length: config.layers }, (_, layer) => assembleLayer(config, layer, store, options.lora)),
    outputNorm: store.get('outputNorm')!,
    output: new Projection(store.get(config.tiedEmbeddings ? 'tokenEmbedding' : 'output')!, config.vocabularySize),
    gates,
    detachGateInput: options.detachGateInput ?? true,
    recompute: options.recompute ?? false,
  };
  const current: GateSet | undefined = gates && {
    spec: gates.spec,
    hiddenSize: config.hiddenSize,
    gates: gates.parameters,
    ...(gates.standIns && { standIns: gates.standIns.map(({ value }) => value) }),
    ...(gates.standInMaps && { standInMaps: gates.standInMaps.map(({ down, up }) => ({ down: down.value, up: up.value })) }),
  };
  return new ReferenceTrainer(training, current, parameters, options.maxRows ?? DEFAULT_MAX_TRAIN_ROWS);
}

/** Every array of the model by its name. */
function modelValues(weights: Weights): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>([
    ['tokenEmbedding', weights.tokenEmbedding],
    ['outputNorm', weights.outputNorm],
    ['output', weights.output],
  ]);
  for (const [layer, arrays] of weights.layers.entries()) {
    for (const [name, array] of Object.entries(arrays)) values.set(`layers.${layer}.${name}`, array as Float32Array);
  }
  return values;
}

function assembleLayer(config: ModelConfig, layer: number, store: Store, lora: LoraOptions | undefined): TrainingLayer {
  const shapes = tensorShapes(config);
  const projections = LAYER_MATRICES.map((matrix): [LayerMatrix, Projection] => {
    const name = `layers.${layer}.${matrix}`;
    return [matrix, new Projection(store.get(name)!, shapes.get(name)![0], lowRank(name, store, lora))];
  });
  return {
    ...(Object.fromEntries(projections) as Record<LayerMatrix, Projection>),
    attentionNorm: store.get(`layers.${layer}.attentionNorm`)!,
    mlpNorm: store.get(`layers.${layer}.mlpNorm`)!,
  };
}

function lowRank(name: string, store: Store, lora: LoraOptions | undefined): LowRank | undefined {
  const down = store.get(`${name}.loraDown`);
  const up = store.get(`${name}.loraUp`);
  return lora && down && up && { down, up, rank: lora.rank, scale: lora.alpha / lora.rank };
}

function assembleGates(config: ModelConfig, set: GateSet, store: Store): TrainingGates {
  const { spec } = set;
  const fields = Object.keys(gateParameterShapes(spec, config.hiddenSize));
  const made = new Map<string, { values: GateParameters; gradients: GateGradients | undefined }>();
  for (let branch = 0; branch < branchCount(config); branch++) {
    const prefix = gateParameterPrefix(spec.sharing, branch);
    if (made.has(prefix)) continue;
    const parts = fields.map((field) => [field, store.get(`${prefix}.${field}`)!] as const);
    const isTrained = parts.every(([, { gradient }]) => gradient !== undefined);
    made.set(prefix, {
      values: Object.fromEntries(parts.map(([field, { value }]) => [field, value])) as unknown as GateParameters,
      gradients: isTrained
        ? (Object.fromEntries(parts.map(([field, { gradient }]) => [field, gradient])) as unknown as GateGradients)
        : undefined,
    });
  }
  const owners = Array.from({ length: branchCount(config) }, (_, branch) => made.get(gateParameterPrefix(spec.sharing, branch))!);
  const standIns = owners.map((_, branch) => store.get(`branches.${branch}.standIn`));
  const gradients = owners.map((owner) => owner.gradients);
  return {
    spec,
    parameters: owners.map(({ values }) => values),
    gradients: gradients.every((gradient) => gradient !== undefined) ? gradients : undefined,
    standIns: standIns.every((standIn) => standIn !== undefined) ? standIns : undefined,
    standInMaps: set.standInMaps?.map((_, branch) => {
      const { down, up } = standInMapParameters(branch);
      return { down: store.get(down)!, up: store.get(up)! };
    }),
  };
}
