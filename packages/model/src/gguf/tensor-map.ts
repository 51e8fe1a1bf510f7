import { printable, UnsupportedModelError } from '../errors.js';
import type { TensorInfo } from '../model.js';
import type { WalkedTensor } from './walk-header.js';

const perLayer: Readonly<Record<string, string>> = {
  'attn_norm.weight': 'attentionNorm',
  'attn_q.weight': 'query',
  'attn_k.weight': 'key',
  'attn_v.weight': 'value',
  'attn_output.weight': 'attentionOutput',
  'ffn_norm.weight': 'mlpNorm',
  'ffn_gate.weight': 'mlpGate',
  'ffn_up.weight': 'mlpUp',
  'ffn_down.weight': 'mlpDown',
};
/** Every Llama GGUF has it, and no safetensors checkpoint. */
export const ggufEmbeddingName = 'token_embd.weight';

const whole: Readonly<Record<string, string>> = {
  [ggufEmbeddingName]: 'tokenEmbedding',
  'output_norm.weight': 'outputNorm',
  'output.weight': 'output',
};

export const ropeDivisorsName = 'rope_freqs.weight';

/** Gives each tensor of a Llama GGUF its canonical name. One that has none is refused: it would change the result. */
export function mapGgufTensors(path: string, walked: readonly WalkedTensor[]): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  for (const { name: sourceName, type, rows, columns, offset, sizeBytes } of walked) {
    if (sourceName === ropeDivisorsName) continue;
    const match = /^blk\.(0|[1-9]\d{0,3})\.([a-z_.]+)$/.exec(sourceName);
    const layerPart = match && Object.hasOwn(perLayer, match[2] as string) ? perLayer[match[2] as string] : undefined;
    const name = layerPart ? `layers.${match?.[1]}.${layerPart}` : Object.hasOwn(whole, sourceName) ? whole[sourceName] : undefined;
    if (!name)
      throw new UnsupportedModelError(`${printable(path)} holds the tensor "${printable(sourceName)}", which a plain Llama has not.`);
    tensors.set(name, { name, sourceName, type, rows, columns, data: { kind: 'file', path, offset, sizeBytes } });
  }
  return tensors;
}
