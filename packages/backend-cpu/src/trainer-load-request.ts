import {
  gateParameterPrefix,
  type ParameterGroup,
  standInMapParameters,
  type TrainerOptions,
  type TrainerParameter,
  trainerParameters,
  trainerStartValues,
} from '@gateskip/backend';
import { branchCount, type GateParameters, type GateSet, gateParameterShapes, type StandInMap, standInRank } from '@gateskip/gate';
import type { Model } from '@gateskip/model';
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
  for (const [name, value] of trainerStartValues(config, options)) share(name, value);
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
