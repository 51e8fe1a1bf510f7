import type { GateParameters, StandInMap } from '@gateskip/gate';
import { InvalidModelError, printable } from '../errors.js';
import { OpenFiles } from '../file/file-model.js';
import { dequantize } from '../formats/dequantize.js';
import type { TensorType } from '../model.js';
import type { SafetensorsEntry, SafetensorsHeader } from '../safetensors/parse-header.js';
import { readSafetensorsFile, type SafetensorsFile } from '../safetensors/read-file.js';
import { type BackboneChanges, loraNames } from './backbone-changes.js';
import { type AdapterHead, checkAdapterHead } from './check-adapter.js';
import type { BackboneHead } from './check-backbone.js';
import { checkGates } from './check-gates.js';
import { checkFinite } from './check-json.js';
import { AdapterInvalidError } from './errors.js';
import type { GateAdapter } from './gate-adapter.js';
import {
  type GateField,
  gatePrefix,
  gateShapes,
  standInMapFields,
  standInMapNames,
  standInMapShapes,
  standInName,
  valueCount,
} from './gate-shapes.js';
import { metadataKey } from './write-adapter.js';

/**
 * Reads a gate adapter. Its description, shapes and numbers are checked; nothing is allocated beyond what the file holds.
 * @throws AdapterInvalidError, ModelIoError
 */
export async function readAdapter(path: string): Promise<GateAdapter> {
  const fail = (message: string): never => {
    throw new AdapterInvalidError(path, message);
  };
  const files = new OpenFiles();
  try {
    const file = await readSafetensorsFile(files, path);
    const head = checkAdapterHead(description(file, fail), fail);
    const shapes = expectedShapes(head);
    checkShapes(file, shapes, fail);
    const values = new Map<string, Float32Array>();
    for (const name of shapes.keys()) values.set(name, await readTensor(files, file, name));
    const adapter = assemble(head, values);
    checkGates(adapter.gates, adapter.layers, fail);
    for (const name of backboneShapes(head).keys()) checkFinite(values.get(name) as Float32Array, `"${name}"`, fail);
    return adapter;
  } catch (error) {
    if (error instanceof InvalidModelError) throw new AdapterInvalidError(path, `it is no sound safetensors file. ${error.message}`);
    throw error;
  } finally {
    await files.close();
  }
}

function description(file: SafetensorsHeader, fail: (message: string) => never): unknown {
  const text = file.metadata.get(metadataKey);
  if (text === undefined) return fail(`it has no "${metadataKey}" metadata, so it is no gate file.`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    return fail(`its description is not JSON: ${printable((cause as Error).message)}.`);
  }
}

function expectedShapes(head: AdapterHead): Map<string, readonly number[]> {
  const { spec, hiddenSize, layers, hasStandIns, standInRank: rank } = head;
  const shapes = backboneShapes(head);
  const gate = gateShapes(spec, hiddenSize);
  for (let branch = 0; branch < 2 * layers; branch++) {
    for (const [field, shape] of gate) shapes.set(`${gatePrefix(spec, branch)}.${field}`, shape);
    if (hasStandIns) shapes.set(standInName(branch), [hiddenSize]);
    for (const field of rank === undefined ? [] : standInMapFields)
      shapes.set(standInMapNames(branch)[field], standInMapShapes(rank as number, hiddenSize)[field]);
  }
  return shapes;
}

function backboneShapes({ backbone, layers, hiddenSize }: AdapterHead): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const { lora, norms = [] } = backbone ?? {};
  for (let layer = 0; lora !== undefined && layer < layers; layer++) {
    for (const [matrix, [rows, columns]] of lora.matrices) {
      const { down, up } = loraNames(layer, matrix);
      shapes.set(down, [lora.rank, columns]);
      shapes.set(up, [rows, lora.rank]);
    }
  }
  for (const name of norms) shapes.set(name, [hiddenSize]);
  return shapes;
}

function checkShapes(file: SafetensorsHeader, shapes: ReadonlyMap<string, readonly number[]>, fail: (message: string) => never): void {
  for (const [name, shape] of shapes) {
    const tensor = file.tensors.get(name);
    if (!tensor) return fail(`tensor "${name}" of shape [${shape.join(', ')}] is missing.`);
    if (tensor.shape.join() !== shape.join())
      fail(`tensor "${name}" has shape [${tensor.shape.join(', ')}], its description needs [${shape.join(', ')}].`);
    if (!['F32', 'F16', 'BF16'].includes(tensor.type)) fail(`tensor "${name}" is stored as ${tensor.type}; F32, F16 and BF16 are read.`);
  }
  for (const name of file.tensors.keys()) if (!shapes.has(name)) fail(`tensor "${printable(name)}" has no place in it.`);
}

async function readTensor(files: OpenFiles, file: SafetensorsFile, name: string): Promise<Float32Array> {
  const { type, shape, offset, sizeBytes } = file.tensors.get(name) as SafetensorsEntry;
  const bytes = new Uint8Array(sizeBytes);
  await files.read(file.path, file.dataStart + offset, bytes);
  return dequantize(type as TensorType, bytes, valueCount(shape));
}

function assemble(head: AdapterHead, values: ReadonlyMap<string, Float32Array>): GateAdapter {
  const { spec, hiddenSize, hasStandIns, standInRank, backbone, ...rest } = head;
  const branches = Array.from({ length: 2 * head.layers }, (_, branch) => branch);
  const byPrefix = new Map<string, GateParameters>();
  const gates = branches.map((branch) => {
    const prefix = gatePrefix(spec, branch);
    let gate = byPrefix.get(prefix);
    if (!gate) {
      const fields = [...gateShapes(spec, hiddenSize).keys()].map((field): [GateField, Float32Array] => [
        field,
        values.get(`${prefix}.${field}`) as Float32Array,
      ]);
      gate = Object.fromEntries(fields) as unknown as GateParameters;
      byPrefix.set(prefix, gate);
    }
    return gate;
  });
  const standIns = hasStandIns ? { standIns: branches.map((branch) => values.get(standInName(branch)) as Float32Array) } : {};
  const maps = standInRank === undefined ? {} : { standInMaps: branches.map((branch) => standInMap(branch, values)) };
  const changes = backbone && { backbone: assembleBackbone(backbone, head.layers, values) };
  return { ...rest, gates: { spec, hiddenSize, gates, ...standIns, ...maps }, ...changes };
}

function standInMap(branch: number, values: ReadonlyMap<string, Float32Array>): StandInMap {
  const names = standInMapNames(branch);
  return { down: values.get(names.down) as Float32Array, up: values.get(names.up) as Float32Array };
}

function assembleBackbone({ lora, norms }: BackboneHead, layers: number, values: ReadonlyMap<string, Float32Array>): BackboneChanges {
  const get = (name: string): Float32Array => values.get(name) as Float32Array;
  const matrices = [...(lora?.matrices.keys() ?? [])];
  const factorsOf = (layer: number) =>
    matrices.map((matrix) => {
      const { down, up } = loraNames(layer, matrix);
      return [matrix, { down: get(down), up: get(up) }] as const;
    });
  return {
    ...(lora && {
      lora: {
        rank: lora.rank,
        alpha: lora.alpha,
        matrices,
        layers: Array.from({ length: layers }, (_, layer) => Object.fromEntries(factorsOf(layer))),
      },
    }),
    ...(norms && { norms: new Map(norms.map((name) => [name, get(name)])) }),
  };
}
