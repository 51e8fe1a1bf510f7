import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InvalidModelError, ModelIoError, printable } from '../errors.js';
import { createFileModel, OpenFiles } from '../file/file-model.js';
import { type JsonObject, readJsonObject } from '../file/read-json.js';
import type { Model } from '../model.js';
import { huggingFaceTokenizer } from '../tokenizer/hugging-face-tokenizer.js';
import { readHuggingFaceConfig } from './read-config.js';
import { readSafetensorsFile } from './read-file.js';
import { mapSafetensors } from './tensor-map.js';

const maxConfigBytes = 1 << 20;
const maxTokenizerBytes = 64 << 20;
const maxTemplateBytes = 1 << 20;
const maxShards = 1024;

/** Opens a checkpoint as Hugging Face lays it out: a folder, its index, or one weights file with `config.json` beside it. */
export async function openSafetensors(path: string, signal?: AbortSignal): Promise<Model> {
  const isFolder = (await stat(path)).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const config = await readJsonObject(join(folder, 'config.json'), maxConfigBytes);
  if (!config) throw new ModelIoError(`${printable(folder)} has no "config.json", which a safetensors model needs.`, { what: folder });
  const files = new OpenFiles();
  try {
    const paths = isFolder || path.endsWith('.index.json') ? await shardPaths(folder) : [path];
    const shards = [];
    for (const shard of paths) {
      signal?.throwIfAborted();
      shards.push(await readSafetensorsFile(files, shard));
    }
    const side = async (name: string, limit = maxConfigBytes): Promise<JsonObject | undefined> => readJsonObject(join(folder, name), limit);
    const tokenizerConfig = (await side('tokenizer_config.json', maxTokenizerBytes)) ?? {};
    const tokenizerJson = await side('tokenizer.json', maxTokenizerBytes);
    const tokenizer =
      tokenizerJson &&
      huggingFaceTokenizer(join(folder, 'tokenizer.json'), tokenizerJson, tokenizerConfig, {
        ...config,
        ...((await side('generation_config.json')) ?? {}),
      });
    const chatTemplate = await readTemplate(folder, tokenizerConfig);
    signal?.throwIfAborted();
    return await createFileModel(files, {
      path,
      config: readHuggingFaceConfig(join(folder, 'config.json'), config, basename(folder)),
      tensors: mapSafetensors(shards),
      ...(tokenizer ? { tokenizer } : {}),
      ...(chatTemplate !== undefined ? { chatTemplate } : {}),
    });
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** Weights files of a folder: what its index lists, else the single file. Shard names must be plain names beside the index. */
async function shardPaths(folder: string): Promise<string[]> {
  const indexPath = join(folder, 'model.safetensors.index.json');
  const index = await readJsonObject(indexPath, maxTokenizerBytes);
  if (!index) return [join(folder, 'model.safetensors')];
  const map = index.weight_map;
  if (typeof map !== 'object' || map === null) throw new InvalidModelError(indexPath, 'it has no "weight_map".');
  const names = new Set<unknown>(Object.values(map));
  if (names.size === 0 || names.size > maxShards)
    throw new InvalidModelError(indexPath, `it lists ${names.size} shards; 1 to ${maxShards} are read.`);
  return [...names].map((name) => {
    if (typeof name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors$/.test(name)) {
      throw new InvalidModelError(indexPath, `the shard name "${printable(String(name))}" is not a plain file name.`);
    }
    return join(folder, name);
  });
}

async function readTemplate(folder: string, tokenizerConfig: JsonObject): Promise<string | undefined> {
  const path = join(folder, 'chat_template.jinja');
  try {
    if ((await stat(path)).size > maxTemplateBytes) throw new InvalidModelError(path, `it is larger than ${maxTemplateBytes} bytes.`);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
  const template = tokenizerConfig.chat_template;
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return undefined;
  const named = template.find((entry: unknown) => (entry as JsonObject | null)?.name === 'default') as JsonObject | undefined;
  return typeof named?.template === 'string' ? named.template : undefined;
}
