import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidModelError, ModelIoError, printable } from '../errors.js';
import { readJsonObject } from '../file/read-json.js';

/** What may stand beside the weights of a checkpoint and belongs to the model. */
const sideNames = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.jinja',
  'chat_template.json',
];
const maxSideBytes = 64 << 20;
const maxConfigBytes = 1 << 20;
const weightsName = /^model(-[0-9of-]{1,40})?\.safetensors(\.index\.json)?$/;

/** Whether a file of this name is a part of a model, weights included. */
export const isModelFile = (name: string): boolean => sideNames.includes(name) || weightsName.test(name);

/**
 * The files beside a checkpoint's weights by name, with the type of the weights in `config.json` made true.
 *
 * @throws ModelIoError, InvalidModelError
 */
export async function readSideFiles(folder: string, type: 'float32' | 'float16'): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of sideNames) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) continue;
    if (found.size > maxSideBytes) throw new InvalidModelError(path, `it has ${found.size} bytes, at most ${maxSideBytes} are read.`);
    try {
      files.set(name, await readFile(path));
    } catch (cause) {
      throw new ModelIoError(`Cannot read ${printable(path)}: ${(cause as Error).message}.`, { what: path }, { cause });
    }
  }
  const path = join(folder, 'config.json');
  const config = await readJsonObject(path, maxConfigBytes);
  if (!config) throw new ModelIoError(`${printable(folder)} has no "config.json" any more.`, { what: folder });
  // Newer checkpoints say `dtype`.
  const types = Object.fromEntries(['torch_dtype', 'dtype'].filter((key) => config[key] !== undefined).map((key) => [key, type]));
  return files.set('config.json', Buffer.from(`${JSON.stringify({ ...config, ...types }, null, 2)}\n`));
}
