import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AbortedError } from '@gateskip/errors';
import { ModelIoError, printable, UnsupportedModelError } from './errors.js';
import { openGguf } from './gguf/open-gguf.js';
import type { Model } from './model.js';
import { openSafetensors } from './safetensors/open-safetensors.js';

/**
 * Opens a model on disk: a `.gguf` file, a `.safetensors` file with `config.json` beside it, or a folder of those.
 *
 * Everything in the header is checked against the file before it is used; weights are read on demand. Close the model.
 * @throws ModelIoError, UnsupportedModelError, InvalidModelError, UnsupportedTensorTypeError, UnsupportedTokenizerError
 */
export async function openModel(path: string, options: { signal?: AbortSignal } = {}): Promise<Model> {
  const { signal } = options;
  const absolute = resolve(path);
  try {
    signal?.throwIfAborted();
    if (await isFolder(absolute)) return await openSafetensors(absolute, signal);
    const start = await firstBytes(absolute);
    if (start.toString('latin1', 0, 4) === 'GGUF' || start.toString('latin1', 0, 4) === 'FUGG') return await openGguf(absolute, signal);
    if (absolute.endsWith('.safetensors') || absolute.endsWith('.safetensors.index.json')) return await openSafetensors(absolute, signal);
    throw new UnsupportedModelError(`${printable(path)} is neither GGUF nor safetensors: it starts with ${describeStart(start)}.`);
  } catch (error) {
    if (signal?.aborted) throw new AbortedError('Opening the model');
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (!found.isDirectory() && !found.isFile())
      throw new ModelIoError(`${printable(path)} is neither a file nor a folder.`, { what: path });
    return found.isDirectory();
  } catch (cause) {
    if (cause instanceof ModelIoError) throw cause;
    throw new ModelIoError(`Cannot open ${printable(path)}: ${(cause as Error).message}.`, { what: path }, { cause });
  }
}

async function firstBytes(path: string): Promise<Buffer> {
  try {
    const handle = await open(path, 'r');
    try {
      const bytes = Buffer.alloc(16);
      const { bytesRead } = await handle.read(bytes, 0, 16, 0);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new ModelIoError(`Cannot read ${printable(path)}: ${(cause as Error).message}.`, { what: path }, { cause });
  }
}

function describeStart(start: Buffer): string {
  if (start.length === 0) return 'nothing (the file is empty)';
  const text = start.toString('latin1');
  return /^\s*<(!doctype|html)/i.test(text) ? 'an HTML page' : `"${printable(text)}"`;
}
