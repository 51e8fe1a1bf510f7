import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { ClosedError, InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { InvalidModelError, ModelIoError, printable } from '../errors.js';
import type { Model, TensorInfo } from '../model.js';
import type { ModelConfig } from '../model-config.js';
import { tensorShapes } from '../tensor-names.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

/** Files of one model, opened once each and kept open, so that a file that is replaced on disk stays the one we checked. */
export class OpenFiles {
  readonly #handles = new Map<string, FileHandle>();
  #closed = false;

  async open(path: string): Promise<FileHandle> {
    if (this.#closed) throw new ClosedError('The model');
    const known = this.#handles.get(path);
    if (known) return known;
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (cause) {
      throw new ModelIoError(`Cannot open ${printable(path)}: ${(cause as Error).message}.`, { what: path }, { cause });
    }
    this.#handles.set(path, handle);
    return handle;
  }

  async read(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const handle = await this.open(path);
    let filled = 0;
    while (filled < bytes.length) {
      let bytesRead: number;
      try {
        ({ bytesRead } = await handle.read(bytes, filled, Math.min(bytes.length - filled, 1 << 30), offset + filled));
      } catch (cause) {
        throw new ModelIoError(
          `Cannot read ${printable(path)} at byte ${offset + filled}: ${(cause as Error).message}.`,
          { what: path },
          { cause },
        );
      }
      if (bytesRead === 0) {
        throw new ModelIoError(
          `${printable(path)} ended at byte ${offset + filled} while ${bytes.length} bytes from ${offset} were read: it shrank after it was opened.`,
          { what: path },
        );
      }
      filled += bytesRead;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    await Promise.all(handles.map((handle) => handle.close()));
  }
}

export interface FileModelParts {
  readonly path: string;
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly tokenizer?: Tokenizer;
  readonly chatTemplate?: string;
}

/** Checks the tensors against the config's shapes and makes the model. Takes over `files`. */
export async function createFileModel(files: OpenFiles, parts: FileModelParts): Promise<Model> {
  checkShapes(parts);
  const fingerprint = await fingerprintOf(files, parts);
  let sizeBytes = 0;
  for (const tensor of parts.tensors.values()) if (tensor.data.kind === 'file') sizeBytes += tensor.data.sizeBytes;
  return {
    ...parts,
    fingerprint,
    sizeBytes,
    async read(name) {
      const tensor = parts.tensors.get(name);
      if (tensor?.data.kind !== 'file') throw new InvalidArgumentError(`The model has no tensor "${printable(name)}".`);
      const bytes = new Uint8Array(tensor.data.sizeBytes);
      await files.read(tensor.data.path, tensor.data.offset, bytes);
      return bytes;
    },
    close: () => files.close(),
  };
}

function checkShapes({ path, config, tensors }: FileModelParts): void {
  const shapes = tensorShapes(config);
  for (const [name, [rows, columns]] of shapes) {
    const tensor = tensors.get(name);
    if (!tensor) throw new InvalidModelError(path, `tensor "${name}" of shape [${rows}, ${columns}] is missing.`);
    if (tensor.rows !== rows || tensor.columns !== columns) {
      throw new ShapeMismatchError(
        `${printable(path)}: tensor "${name}"`,
        [rows, columns],
        [tensor.rows, tensor.columns],
        'The file does not fit its own config.',
      );
    }
  }
  for (const name of tensors.keys())
    if (!shapes.has(name)) throw new InvalidModelError(path, `tensor "${printable(name)}" has no place in this model.`);
}

const sampleBytes = 4096;
const readsAtOnce = 32;

/** sha256 over config, tensor directory and the first and last 4 KiB of each tensor: the same wherever the file lies. */
async function fingerprintOf(files: OpenFiles, { config, tensors }: FileModelParts): Promise<string> {
  const hash = createHash('sha256');
  const { name: _name, ...numbers } = config;
  hash.update(JSON.stringify(Object.entries(numbers).sort(([a], [b]) => (a < b ? -1 : 1))));
  const sorted = [...tensors.keys()].sort().map((name) => tensors.get(name) as TensorInfo);
  for (let from = 0; from < sorted.length; from += readsAtOnce) {
    const group = sorted.slice(from, from + readsAtOnce);
    const samples = await Promise.all(group.map((tensor) => sampleOf(files, tensor)));
    for (const [i, tensor] of group.entries()) {
      hash.update(JSON.stringify([tensor.name, tensor.type, tensor.rows, tensor.columns]));
      for (const sample of samples[i] ?? []) hash.update(sample);
    }
  }
  return hash.digest('hex');
}

async function sampleOf(files: OpenFiles, { data }: TensorInfo): Promise<Uint8Array[]> {
  if (data.kind !== 'file') return [];
  const length = Math.min(sampleBytes, data.sizeBytes);
  const starts = data.sizeBytes > sampleBytes ? [data.offset, data.offset + data.sizeBytes - length] : [data.offset];
  return Promise.all(
    starts.map(async (start) => {
      const sample = new Uint8Array(length);
      await files.read(data.path, start, sample);
      return sample;
    }),
  );
}
