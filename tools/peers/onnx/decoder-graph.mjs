import { BLOCK } from './block-weights.mjs';
import { dataTypes, graphInput, graphOutput, node } from './onnx-parts.mjs';

const microsoft = 'com.microsoft';

/**
 * Nodes, inputs and outputs of a Llama decoder as ONNX Runtime runs it best on a processor: MatMulNBits with int8 activations
 * (accuracy level 4), GroupQueryAttention with rotation inside and K/V rows in buffers that it shares with the caller, and the
 * head for asked rows only. Q, K and V are one product.
 *
 * @param {import('./decoder-graph-types.js').Config} config
 * @param {(name: string) => { bits: 4 | 8, rows: number, columns: number, hasZeros: boolean }} weightOf
 */
export function decoderGraph(config, weightOf) {
  const { layers, heads, kvHeads, headSize, vocabularySize, rmsNormEpsilon, ropeLayout } = config;
  const { float, int32, int64 } = dataTypes;
  /** @type {Buffer[]} */
  const parts = [];
  const add = (/** @type {Parameters<typeof node>} */ ...words) => parts.push(node(...words));

  const product = (/** @type {string} */ input, /** @type {string} */ name, /** @type {string} */ output) => {
    const { bits, rows, columns, hasZeros } = weightOf(name);
    const integers = { K: columns, N: rows, bits, block_size: BLOCK, accuracy_level: 4 };
    const weights = [`${name}.quantities`, `${name}.scales`, ...(hasZeros ? [`${name}.zeros`] : [])];
    add('MatMulNBits', [input, ...weights], [output], { domain: microsoft, integers });
  };
  /** Adds a branch to the stream and norms the sum. */
  const addAndNorm = (
    /** @type {string} */ stream,
    /** @type {string} */ branch,
    /** @type {string} */ norm,
    /** @type {string} */ key,
  ) => {
    const outputs = [`${key}.normed`, '', '', `${key}.stream`];
    add('SkipSimplifiedLayerNormalization', [stream, branch, norm], outputs, { domain: microsoft, floats: { epsilon: rmsNormEpsilon } });
    return { normed: outputs[0], stream: outputs[3] };
  };

  parts.push(graphInput('tokens', int64, [1, 'length']), graphInput('last_index', int32, [1]));
  parts.push(graphInput('total_length', int32, []), graphInput('rows', int64, ['row_count']));
  const { bits } = weightOf('embedding');
  add('GatherBlockQuantized', ['embedding.quantities', 'tokens', 'embedding.scales'], ['embedded'], {
    domain: microsoft,
    integers: { bits, block_size: BLOCK, gather_axis: 0, quantize_axis: 1 },
  });
  add('SimplifiedLayerNormalization', ['embedded', 'layers.0.attentionNorm'], ['first.normed'], {
    integers: { axis: -1, stash_type: 1 },
    floats: { epsilon: rmsNormEpsilon },
  });
  let at = { normed: 'first.normed', stream: 'embedded' };
  for (let layer = 0; layer < layers; layer++) {
    const key = `layers.${layer}`;
    const [past, present] = ['past', 'present'].map((when) => [`${when}_key.${layer}`, `${when}_value.${layer}`]);
    for (const name of past) parts.push(graphInput(name, float, [1, kvHeads, 'room', headSize]));
    for (const name of present) parts.push(graphOutput(name, float, [1, kvHeads, 'room', headSize]));
    product(at.normed, `${key}.queryKeyValue`, `${key}.qkv`);
    add(
      'GroupQueryAttention',
      [`${key}.qkv`, '', '', ...past, 'last_index', 'total_length', 'cosines', 'sines'],
      [`${key}.attended`, ...present],
      {
        domain: microsoft,
        integers: { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: ropeLayout === 'interleaved' ? 1 : 0 },
        floats: { scale: 1 / Math.sqrt(headSize) },
      },
    );
    product(`${key}.attended`, `${key}.attentionOutput`, `${key}.attention`);
    at = addAndNorm(at.stream, `${key}.attention`, `${key}.mlpNorm`, `${key}.middle`);
    product(at.normed, `${key}.mlpGate`, `${key}.gate`);
    product(at.normed, `${key}.mlpUp`, `${key}.up`);
    // x * sigmoid(x), in one pass.
    add('QuickGelu', [`${key}.gate`], [`${key}.opened`], { domain: microsoft, floats: { alpha: 1 } });
    add('Mul', [`${key}.opened`, `${key}.up`], [`${key}.inner`]);
    product(`${key}.inner`, `${key}.mlpDown`, `${key}.mlp`);
    const nextNorm = layer + 1 < layers ? `layers.${layer + 1}.attentionNorm` : 'outputNorm';
    at = addAndNorm(at.stream, `${key}.mlp`, nextNorm, `${key}.end`);
  }
  add('Gather', [at.normed, 'rows'], ['asked'], { integers: { axis: 1 } });
  product('asked', 'head', 'logits');
  add('ArgMax', ['logits'], ['likeliest'], { integers: { axis: 2, keepdims: 0 } });
  parts.push(graphOutput('logits', float, [1, 'row_count', vocabularySize]), graphOutput('likeliest', int64, [1, 'row_count']));
  return parts;
}
