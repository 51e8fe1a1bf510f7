import { InvalidModelError, UnsupportedModelError } from '../errors.js';
import { createFileModel, OpenFiles } from '../file/file-model.js';
import type { Model } from '../model.js';
import type { ModelConfig } from '../model-config.js';
import { ggufTokenizer } from '../tokenizer/gguf-tokenizer.js';
import { readGgufConfig } from './read-config.js';
import { type GgufHeader, readGgufHeader } from './read-header.js';
import { scalingFromDivisors } from './rope-factors.js';
import { mapGgufTensors, ropeDivisorsName } from './tensor-map.js';

/** Opens a GGUF file: header, vocabulary and a few sampled bytes are read, the weights stay on disk. */
export async function openGguf(path: string, signal?: AbortSignal): Promise<Model> {
  const files = new OpenFiles();
  try {
    const file = await files.open(path);
    const header = await readGgufHeader(path, file, (await file.stat()).size);
    signal?.throwIfAborted();
    const tokens = header.strings('tokenizer.ggml.tokens');
    if (!tokens) throw new InvalidModelError(path, 'it has no vocabulary ("tokenizer.ggml.tokens").');
    const config = await withStoredDivisors(files, path, header, readGgufConfig(path, header, tokens.length));
    const tensors = mapGgufTensors(path, header.tensors);
    const tokenizer = ggufTokenizer(path, header, tokens);
    const template = header.values.get('tokenizer.chat_template');
    if (template !== undefined && typeof template !== 'string') throw new InvalidModelError(path, 'its chat template is not a string.');
    signal?.throwIfAborted();
    return await createFileModel(files, {
      path,
      config,
      tensors,
      tokenizer,
      ...(template !== undefined ? { chatTemplate: template } : {}),
    });
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** Some Llama 3 files store their rotary scaling as a table of divisors instead of as keys. */
async function withStoredDivisors(files: OpenFiles, path: string, header: GgufHeader, config: ModelConfig): Promise<ModelConfig> {
  const table = header.tensors.find((tensor) => tensor.name === ropeDivisorsName);
  if (!table) return config;
  if (table.type !== 'F32' || table.rows !== 1 || table.columns !== config.ropeSize / 2) {
    throw new InvalidModelError(
      path,
      `"${ropeDivisorsName}" is ${table.type} [${table.rows}, ${table.columns}]; F32 [1, ${config.ropeSize / 2}] is needed.`,
    );
  }
  const bytes = new Uint8Array(table.sizeBytes);
  await files.read(path, table.offset, bytes);
  const scaling = scalingFromDivisors(config, new Float32Array(bytes.buffer));
  if (!scaling) return config;
  if (config.ropeScaling) throw new UnsupportedModelError(`${path} has both a rotary scaling key and "${ropeDivisorsName}".`);
  return { ...config, ropeScaling: scaling };
}
