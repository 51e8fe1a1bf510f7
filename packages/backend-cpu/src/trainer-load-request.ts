import {
  drawLoraDown,
  gateParameterPrefix,
  type ParameterGroup,
  standInMapParameters,
  type TrainerOptions,
  type TrainerParameter,
  trainerParameters,
} from '@gateskip/backend';
import { branchCount, type GateParameters, type GateSet, gateParameterShapes, type StandInMap, standInRank } from '@gateskip/gate';
import { type Model, type ModelConfig, tensorShapes } from '@gateskip/model';
import { gateKind, modelRequest } from './load-request.js';

/** An array of a trainer in host memory, shared with the addon. */
interface SharedArray {
  readonly name: string;
  readonly value: Float32Array;
  /** Absent where it is frozen. */
  readonly gradient?: Float32Array;
}

export interface TrainerSettings {
  readonly threads: number;
  readonly instructionSet: string;
  /** Products of rows with matrices round both sides to bfloat16; sums and everything else stay float32. */
  readonly bf16: boolean;
  /** Float32 where the processor has no such products, in place of an error. */
  readonly bf16IfThere: boolean;
}

/** A trainer's arrays, and the request of the addon that loads the model into them. */
export interface TrainerLoad {
  readonly request: object;
  readonly parameters: readonly TrainerParameter[];
  /** Live views. */
  readonly gates: GateSet | undefined;
}

/** See packages/backend-cpu/native/trainer-load-worker.h. Allocates all that is trained. */
export function trainerLoad(model: Model, options: TrainerOptions, settings: TrainerSettings): TrainerLoad {
  const { config } = model;
  const { gates, lora } = options;
  const described = trainerParameters(config, options);
  const trained = new Map(described.map(({ name, shape }) => [name, shape.reduce((product, size) => product * size, 1)]));
  const arrays = new Map<string, SharedArray>();
  const share = (name: string, value: Float32Array) => {
    const length = trained.get(name);
    arrays.set(name, { name, value, ...(length !== undefined && { gradient: new Float32Array(length) }) });
  };
  for (const [name, value] of startValues(config, options)) share(name, value);
  // What the model has, the addon reads.
  for (const [name, length] of trained) if (!arrays.has(name)) share(name, new Float32Array(length));
  const prefixes = gates && Array.from({ length: branchCount(config) }, (_, branch) => gateParameterPrefix(gates.spec.sharing, branch));
  const request = {
    ...settings,
    ...modelRequest(model),
    arrays: [...arrays.values()],
    ...(gates && { gates: { ...gateKind(gates), prefixes, standInRank: standInRank(gates) } }),
    loraRank: lora?.rank ?? 0,
    loraScale: lora === undefined ? 0 : lora.alpha / lora.rank,
    detachGateInput: options.detachGateInput ?? true,
    recompute: options.recompute ?? false,
  };
  const parameters = described.map(({ name, group, shape }) => {
    const { value, gradient } = arrays.get(name)!;
    return { name, group: group satisfies ParameterGroup, shape, value, gradient: gradient! };
  });
  return { request, parameters, gates: gates && prefixes && liveGates(gates, prefixes, arrays) };
}

/** Arrays that the model does not have, as they are before training. */
function startValues(config: ModelConfig, options: TrainerOptions): Map<string, Float32Array> {
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
  for (let layer = 0; lora !== undefined && layer < config.layers; layer++) {
    for (const matrix of lora.matrices) {
      const name = `layers.${layer}.${matrix}`;
      const [rows, columns] = tensorShapes(config).get(name)!;
      values.set(`${name}.loraDown`, drawLoraDown(lora.seed, layer, matrix, lora.rank, columns));
      values.set(`${name}.loraUp`, new Float32Array(rows * lora.rank));
    }
  }
  return values;
}

function liveGates(gates: GateSet, prefixes: readonly string[], arrays: ReadonlyMap<string, SharedArray>): GateSet {
  const { spec, hiddenSize } = gates;
  const fields = Object.keys(gateParameterShapes(spec, hiddenSize));
  const made = new Map<string, GateParameters>();
  for (const prefix of prefixes) {
    if (made.has(prefix)) continue;
    const parts = fields.map((field) => [field, arrays.get(`${prefix}.${field}`)!.value] as const);
    made.set(prefix, Object.fromEntries(parts) as unknown as GateParameters);
  }
  const standIns = prefixes.map((_, branch) => arrays.get(`branches.${branch}.standIn`)?.value);
  const map = (branch: number): StandInMap => {
    const names = standInMapParameters(branch);
    return { down: arrays.get(names.down)!.value, up: arrays.get(names.up)!.value };
  };
  return {
    spec,
    hiddenSize,
    gates: prefixes.map((prefix) => made.get(prefix)!),
    ...(standIns.every((standIn) => standIn !== undefined) && { standIns }),
    ...(gates.standInMaps && { standInMaps: prefixes.map((_, branch) => map(branch)) }),
  };
}
