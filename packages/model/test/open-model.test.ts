import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dequantize, llama3Divisors, openModel, type TensorType, tensorShapes } from '../src/index.js';
import { testFolder, writeTestFile } from './support/folder.js';
import { float, string } from './support/gguf-bytes.js';
import { checkpointTensors, writeCheckpoint } from './support/tiny-checkpoint.js';
import { tinyConfig, tinyGguf, tinyTokens, tinyWeights } from './support/tiny-gguf.js';

const folder = testFolder();

describe('GGUF', () => {
  it.each(['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q8_0'] as TensorType[])('opens a model stored as %s', async (type) => {
    const model = await openModel(writeTestFile(folder, tinyGguf({ type })));
    expect(model.config).toEqual(tinyConfig);
    for (const [name, [rows, columns]] of tensorShapes(tinyConfig)) {
      const tensor = model.tensors.get(name);
      expect(tensor).toMatchObject({ name, rows, columns, type: rows === 1 ? 'F32' : type });
      const values = dequantize(tensor?.type as TensorType, await model.read(name), rows * columns);
      const wanted = tinyWeights(name, rows * columns);
      // Half a step of the coarsest type: 4 bits over a range of at most 1.
      const tolerance = tensor?.type === 'F32' ? 0 : type.startsWith('Q4') ? 1 / 14 : 1 / 127;
      values.forEach((value, i) => expect(Math.abs(value - (wanted[i] as number))).toBeLessThanOrEqual(tolerance));
    }
    expect(model.chatTemplate).toContain('<|turn|>');
    await model.close();
    await expect(model.read('query')).rejects.toThrow();
  });

  it('knows a model again elsewhere, and tells changed weights', async () => {
    const print = async (bytes: Uint8Array): Promise<string> => {
      const model = await openModel(writeTestFile(folder, bytes));
      await model.close();
      return model.fingerprint;
    };
    const first = await print(tinyGguf());
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await print(tinyGguf())).toBe(first);
    expect(await print(tinyGguf({ values: { 'general.name': string('another name') } }))).toBe(first);
    expect(await print(tinyGguf({ type: 'Q8_0' }))).not.toBe(first);
    const changed = tinyGguf();
    changed[changed.length - 8] = (changed[changed.length - 8] as number) ^ 1;
    expect(await print(changed)).not.toBe(first);
    expect(await print(tinyGguf({ values: { 'llama.rope.freq_base': float(500000) } }))).not.toBe(first);
  });

  it('an untied output head is found', async () => {
    const wide = { name: 'output.weight', sizes: [32, tinyTokens.length], type: 0, bytes: new Uint8Array(4 * 32 * tinyTokens.length) };
    const model = await openModel(writeTestFile(folder, tinyGguf({ tensors: (all) => [...all, wide] })));
    expect(model.config.tiedEmbeddings).toBe(false);
    expect(model.tensors.get('output')).toMatchObject({ rows: tinyTokens.length, columns: 32 });
    await model.close();
  });

  it('a table of Llama 3 divisors becomes its parameters', async () => {
    const scaling = { kind: 'llama3', factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192 } as const;
    const shape = { ropeSize: 8, ropeTheta: 500000 };
    const table = Float32Array.from(llama3Divisors(shape, scaling));
    const tensor = { name: 'rope_freqs.weight', sizes: [4], type: 0, bytes: new Uint8Array(table.buffer) };
    const model = await openModel(
      writeTestFile(folder, tinyGguf({ values: { 'llama.rope.freq_base': float(500000) }, tensors: (all) => [...all, tensor] })),
    );
    expect(model.config.ropeScaling).toEqual(scaling);
    await model.close();
  });

  it('a file that shrinks after it was opened is a typed error, not a crash', async () => {
    const path = writeTestFile(folder, tinyGguf());
    const model = await openModel(path);
    truncateSync(path, 20_000);
    await expect(model.read('outputNorm')).rejects.toMatchObject({ code: 'GS_MODEL_IO' });
    await model.close();
  });

  it('a path that is not there, and an abort', async () => {
    await expect(openModel(join(folder, 'nowhere.gguf'))).rejects.toMatchObject({ code: 'GS_MODEL_IO' });
    await expect(openModel(writeTestFile(folder, tinyGguf()), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'GS_ABORTED',
    });
  });
});

describe('safetensors', () => {
  it.each([false, true])('opens a checkpoint (shards: %s) with the weights of the GGUF', async (shards) => {
    const model = await openModel(await writeCheckpoint(join(folder, `checkpoint-${shards}`), { shards }));
    expect(model.config).toEqual({ ...tinyConfig, name: `checkpoint-${shards}`, ropeLayout: 'half' });
    for (const [name, [rows, columns]] of tensorShapes(tinyConfig)) {
      expect(dequantize('F32', await model.read(name), rows * columns)).toEqual(tinyWeights(name, rows * columns));
    }
    expect(model.chatTemplate).toBe('{{ messages[0].content }}');
    expect(model.tokenizer?.endToken).toBe(tinyTokens.indexOf('<|end|>'));
    expect(model.tokenizer?.beginToken).toBe(tinyTokens.indexOf('<|turn|>'));
    await model.close();
    const single = join(folder, `checkpoint-${shards}`, shards ? 'model.safetensors.index.json' : 'model.safetensors');
    const again = await openModel(single);
    expect(again.fingerprint).toBe(model.fingerprint);
    await again.close();
  });

  it('both tokenizers of one vocabulary agree', async () => {
    const gguf = await openModel(writeTestFile(folder, tinyGguf()));
    const hub = await openModel(await writeCheckpoint(join(folder, 'agree')));
    for (const text of [
      '',
      'hello world',
      'hell 12٣ \u0085x\ufeffy',
      '<|end|><tool><|turn|>',
      'a\u00a0 b\n\n c',
      "we'll IT'S",
      'né 語 🙂',
    ]) {
      for (const special of [false, true])
        expect(hub.tokenizer?.encode(text, { special }), JSON.stringify(text)).toEqual(gguf.tokenizer?.encode(text, { special }));
    }
    await Promise.all([gguf.close(), hub.close()]);
  });

  const refused: readonly (readonly [string, Parameters<typeof writeCheckpoint>[1], string, RegExp])[] = [
    ['another architecture', { config: { model_type: 'gpt_neox' } }, 'GS_UNSUPPORTED_MODEL', /gpt_neox/],
    ['a classifier', { config: { architectures: ['LlamaForSequenceClassification'] } }, 'GS_UNSUPPORTED_MODEL', /SequenceClassification/],
    ['another activation', { config: { hidden_act: 'gelu' } }, 'GS_UNSUPPORTED_MODEL', /gelu/],
    ['attention biases', { config: { attention_bias: true } }, 'GS_UNSUPPORTED_MODEL', /attention_bias/],
    ['MLP biases', { config: { mlp_bias: true } }, 'GS_UNSUPPORTED_MODEL', /mlp_bias/],
    ['quantized weights', { config: { quantization_config: { bits: 4 } } }, 'GS_UNSUPPORTED_MODEL', /quantization_config/],
    ['dynamic rotary scaling', { config: { rope_scaling: { rope_type: 'dynamic', factor: 2 } } }, 'GS_UNSUPPORTED_MODEL', /dynamic/],
    ['scaling without a factor', { config: { rope_scaling: { rope_type: 'linear' } } }, 'GS_INVALID_MODEL', /factor/],
    ['width as text', { config: { hidden_size: '32' } }, 'GS_INVALID_MODEL', /hidden_size/],
    ['another width', { config: { intermediate_size: 96 } }, 'GS_SHAPE_MISMATCH', /\[96,32\].*\[64,32\]/],
    ['Unigram tokenizer', { tokenizer: { model: { type: 'Unigram', vocab: [] } } }, 'GS_UNSUPPORTED_TOKENIZER', /Unigram/],
    ['token ids that are none', { tokenizer: { model: { type: 'BPE', vocab: { a: 2 ** 31 }, merges: [] } } }, 'GS_INVALID_MODEL', /id/],
    ['merges of three parts', { tokenizer: { model: { type: 'BPE', vocab: { a: 0 }, merges: ['a b c'] } } }, 'GS_INVALID_MODEL', /merge 0/],
    [
      'a tensor that a Llama has not',
      {
        tensors: new Map([
          ...checkpointTensors(),
          ['model.layers.0.self_attn.q_proj.bias', { type: 'F32', shape: [1], bytes: new Uint8Array(4) }],
        ]),
      },
      'GS_UNSUPPORTED_MODEL',
      /q_proj\.bias/,
    ],
  ];
  it.each(refused)('refuses %s', async (name, options, code, message) => {
    const error = await openModel(await writeCheckpoint(join(folder, `refused ${name}`), options)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toMatch(message);
  });

  it('both ways of writing Llama 3 scaling are read', async () => {
    const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
    const old = await openModel(
      await writeCheckpoint(join(folder, 'old'), { config: { rope_theta: 500000, rope_scaling: { rope_type: 'llama3', ...llama3 } } }),
    );
    const current = await openModel(
      await writeCheckpoint(join(folder, 'current'), {
        config: { rope_theta: undefined, rope_parameters: { rope_type: 'llama3', rope_theta: 500000, ...llama3 } },
      }),
    );
    expect(old.config.ropeScaling).toEqual({
      kind: 'llama3',
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContextLength: 8192,
    });
    expect(current.config).toEqual({ ...old.config, name: 'current' });
    await Promise.all([old.close(), current.close()]);
  });
});
