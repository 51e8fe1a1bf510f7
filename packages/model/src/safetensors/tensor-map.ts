import { InvalidModelError, printable, UnsupportedModelError, UnsupportedTensorTypeError } from '../errors.js';
import type { TensorInfo, TensorType } from '../model.js';
import type { SafetensorsFile } from './read-file.js';

const perLayer: Readonly<Record<string, string>> = {
  'input_layernorm.weight': 'attentionNorm',
  'self_attn.q_proj.weight': 'query',
  'self_attn.k_proj.weight': 'key',
  'self_attn.v_proj.weight': 'value',
  'self_attn.o_proj.weight': 'attentionOutput',
  'post_attention_layernorm.weight': 'mlpNorm',
  'mlp.gate_proj.weight': 'mlpGate',
  'mlp.up_proj.weight': 'mlpUp',
  'mlp.down_proj.weight': 'mlpDown',
};
const whole: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'tokenEmbedding',
  'model.norm.weight': 'outputNorm',
  'lm_head.weight': 'output',
};

/** Gives each tensor of a Llama checkpoint its canonical name. One that has none is refused: it would change the result. */
export function mapSafetensors(shards: readonly SafetensorsFile[]): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  for (const { path, dataStart, tensors: entries } of shards) {
    for (const [sourceName, { type, shape, offset, sizeBytes }] of entries) {
      const match = /^model\.layers\.(0|[1-9]\d{0,3})\.([a-z_.]+)$/.exec(sourceName);
      const layerPart = match && Object.hasOwn(perLayer, match[2] as string) ? perLayer[match[2] as string] : undefined;
      const name = layerPart ? `layers.${match?.[1]}.${layerPart}` : Object.hasOwn(whole, sourceName) ? whole[sourceName] : undefined;
      if (!name)
        throw new UnsupportedModelError(`${printable(path)} holds the tensor "${printable(sourceName)}", which a plain Llama has not.`);
      if (tensors.has(name)) throw new InvalidModelError(path, `tensor "${sourceName}" is in two shards.`);
      if (type !== 'F32' && type !== 'F16' && type !== 'BF16') throw new UnsupportedTensorTypeError(sourceName, type);
      if (shape.length < 1 || shape.length > 2) throw new InvalidModelError(path, `tensor "${sourceName}" has ${shape.length} dimensions.`);
      const [rows, columns] = shape.length === 2 ? (shape as [number, number]) : [1, shape[0] as number];
      tensors.set(name, {
        name,
        sourceName,
        type: type satisfies TensorType,
        rows,
        columns,
        data: { kind: 'file', path, offset: dataStart + offset, sizeBytes },
      });
    }
  }
  return tensors;
}
