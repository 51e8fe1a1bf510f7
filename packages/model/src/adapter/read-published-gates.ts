import { branchCount, type GateParameters, type GateSet } from '@gateskip/gate';
import { InvalidModelError, printable } from '../errors.js';
import { OpenFiles } from '../file/file-model.js';
import { dequantize } from '../formats/dequantize.js';
import type { TensorType } from '../model.js';
import type { ModelConfig } from '../model-config.js';
import type { SafetensorsEntry } from '../safetensors/parse-header.js';
import { readSafetensorsFile } from '../safetensors/read-file.js';
import { checkGates } from './check-gates.js';
import { AdapterInvalidError } from './errors.js';

/** Gates out of a checkpoint of the published code. */
export interface PublishedGates {
  readonly gates: GateSet;
  /** Tensors of the file that belong to no gate: a fully fine-tuned checkpoint holds the whole model, which its gates belong to. */
  readonly otherTensors: number;
}

/**
 * Layer, branch and rest of a gate's name. In the published code every attention and MLP of the model is wrapped in a module that holds it
 * as `module` and a gate as `gate`, whose linear map is again `gate`; what stands before `layers` depends on who saved it.
 */
const GATE_NAME = /(?:^|\.)layers\.(\d{1,5})\.(self_attn|mlp)\.gate\.gate\.(.{1,64})$/;

/**
 * Reads the gates of a checkpoint of the published GateSkip code (github.com/Thiggel/GateSkip), saved as safetensors: linear gates
 * on the normed input of each branch, vector or scalar, separate or shared (told by all layers having the same numbers), which
 * multiply the output of their branch. Whether they were trained to gate the branch's input instead is not in the file.
 *
 * @throws AdapterInvalidError where a gate is missing, has another width, or is an MLP (theirs go through ReLU, which no gate here
 *   does); ModelIoError
 */
export async function readPublishedGates(path: string, config: ModelConfig): Promise<PublishedGates> {
  const fail = (message: string): never => {
    throw new AdapterInvalidError(path, message);
  };
  const { layers, hiddenSize } = config;
  const files = new OpenFiles();
  try {
    const file = await readSafetensorsFile(files, path);
    const found = new Map<string, { readonly name: string; readonly entry: SafetensorsEntry }>();
    let otherTensors = 0;
    for (const [name, entry] of file.tensors) {
      const [, layer, kind, part] = GATE_NAME.exec(name) ?? [];
      if (layer === undefined) {
        otherTensors++;
        continue;
      }
      if (part !== 'weight' && part !== 'bias')
        fail(`"${printable(name)}" is part of an MLP gate. Those of the published code go through ReLU; vector and scalar gates are read.`);
      if (Number(layer) >= layers) fail(`"${printable(name)}" is a gate of layer ${layer}, the model has ${layers} layers.`);
      const key = `${2 * Number(layer) + (kind === 'mlp' ? 1 : 0)}.${part}`;
      if (found.has(key)) fail(`"${printable(name)}" and "${printable(found.get(key)!.name)}" are the same gate.`);
      found.set(key, { name, entry });
    }
    if (found.size === 0) fail('it has no gates: no tensor is named like "model.layers.0.self_attn.gate.gate.weight".');
    const width = found.get('0.bias')?.entry.shape[0] === 1 ? 1 : hiddenSize;
    const read = async (branch: number, part: 'weight' | 'bias'): Promise<Float32Array> => {
      const shape = part === 'weight' ? [width, hiddenSize] : [width];
      const what = `the gate of ${branch % 2 === 0 ? 'attention' : 'the MLP'} in layer ${branch >> 1}`;
      const { name, entry } =
        found.get(`${branch}.${part}`) ?? fail(`${what} has no ${part}; gates on attention or MLPs alone are not read.`);
      if (entry.shape.join() !== shape.join())
        fail(
          `"${printable(name)}" has shape [${entry.shape.join(', ')}], for this model and its first gate it must be [${shape.join(', ')}].`,
        );
      if (!['F32', 'F16', 'BF16'].includes(entry.type))
        fail(`"${printable(name)}" is stored as ${entry.type}; F32, F16 and BF16 are read.`);
      const bytes = new Uint8Array(entry.sizeBytes);
      await files.read(path, file.dataStart + entry.offset, bytes);
      return dequantize(entry.type as TensorType, bytes, width * (part === 'weight' ? hiddenSize : 1));
    };
    const gates: GateParameters[] = [];
    for (let branch = 0; branch < branchCount(config); branch++)
      gates.push({ weight: await read(branch, 'weight'), bias: await read(branch, 'bias') });
    const [attention, mlp] = gates as [GateParameters, GateParameters];
    const isShared = layers > 1 && gates.every((gate, branch) => same(gate, branch % 2 === 0 ? attention : mlp));
    const set: GateSet = {
      spec: { variant: width === 1 ? 'scalar' : 'vector', sharing: isShared ? 'shared' : 'separate', position: 'before', multiplies: true },
      hiddenSize,
      gates: isShared ? gates.map((_, branch) => (branch % 2 === 0 ? attention : mlp)) : gates,
    };
    checkGates(set, layers, fail);
    return { gates: set, otherTensors };
  } catch (error) {
    if (error instanceof InvalidModelError) throw new AdapterInvalidError(path, `it is no sound safetensors file. ${error.message}`);
    throw error;
  } finally {
    await files.close();
  }
}

function same(a: GateParameters, b: GateParameters): boolean {
  const equal = (x: ArrayLike<number>, y: ArrayLike<number>): boolean => {
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
    return true;
  };
  return equal(a.bias, b.bias) && equal(a.weight, b.weight);
}
