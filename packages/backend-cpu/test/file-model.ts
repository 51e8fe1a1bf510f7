import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Model, TensorInfo } from '@gateskip/model';

export interface FileModel {
  readonly model: Model;
  readonly path: string;
  readonly sizeBytes: number;
  remove(): void;
}

/** The same model with its tensors in a file, as an opened GGUF has them. */
export async function toFile(model: Model): Promise<FileModel> {
  const folder = mkdtempSync(join(tmpdir(), 'gateskip-cpu-'));
  const path = join(folder, 'weights.bin');
  const descriptor = openSync(path, 'w');
  const tensors = new Map<string, TensorInfo>();
  let offset = 0;
  for (const [name, tensor] of model.tensors) {
    const bytes = await model.read(name);
    writeSync(descriptor, bytes);
    tensors.set(name, { ...tensor, data: { kind: 'file', path, offset, sizeBytes: bytes.byteLength } });
    offset += bytes.byteLength;
  }
  return { model: { ...model, tensors }, path, sizeBytes: offset, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
