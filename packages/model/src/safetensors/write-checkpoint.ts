import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { printable } from '../errors.js';
import { rethrowIo } from '../file/disk-room.js';
import { writePiecesAtomically } from '../file/write-atomic.js';
import type { Model } from '../model.js';
import { ModelNotWritableError } from '../write/errors.js';
import type { FormWriter, WrittenModelType } from '../write/form-writer.js';
import { storedPieces } from '../write/stored-pieces.js';
import { planTensors } from '../write/tensor-plan.js';
import { encodeSafetensorsHeader, type SafetensorsHead } from './encode-header.js';
import { isModelFile, readSideFiles } from './side-files.js';

/** Writes a model as a folder in Hugging Face's layout: the source's configuration and tokenizer, and one file of weights. */
export async function checkpointWriter(source: Model, sourcePath: string, target: string, type: WrittenModelType): Promise<FormWriter> {
  if (type === 'Q8_0')
    throw new ModelNotWritableError('Q8_0 is a type of GGUF files, and the source is a safetensors model.', 'Take F32 or F16.', {
      what: 'type',
      got: type,
    });
  if (/\.(gguf|safetensors|json)$/i.test(target))
    throw new ModelNotWritableError(
      `The source is a safetensors model, so the new one is a folder; ${printable(target)} is named like a file.`,
      'Name a folder.',
      { what: target },
    );
  const folder = (await stat(sourcePath)).isDirectory() ? sourcePath : dirname(sourcePath);
  const sides = await readSideFiles(folder, type === 'F32' ? 'float32' : 'float16');
  const plans = planTensors(source, type).sort((a, b) => (a.info.sourceName < b.info.sourceName ? -1 : 1));
  const heads = plans.map(({ info: { sourceName, rows, columns }, type: stored }): [string, SafetensorsHead] => [
    sourceName,
    { type: stored as SafetensorsHead['type'], shape: rows === 1 ? [columns] : [rows, columns] },
  ]);
  const header = encodeSafetensorsHeader(new Map(heads), { format: 'pt' });
  const weightsBytes = plans.reduce((sum, { sizeBytes }) => sum + sizeBytes, header.length);
  const sizeBytes = [...sides.values()].reduce((sum, bytes) => sum + bytes.length, weightsBytes);
  return {
    sizeBytes,
    sourcePlace: folder,
    async checkReplaced(path, isFolder) {
      const entries = isFolder ? await readdir(path, { withFileTypes: true }) : [];
      const other = entries.find((entry) => entry.isDirectory() || !isModelFile(entry.name));
      // A folder goes as a whole: what is no model would go with it.
      if (isFolder && !other) return;
      const why = isFolder ? `holds "${printable(other?.name ?? '')}", which is no part of a model` : 'is a file';
      throw new ModelNotWritableError(`${printable(path)} cannot be replaced by a model: it ${why}.`, 'Name another folder.', {
        what: path,
      });
    },
    async write(path, changed, { onProgress, signal, beforeNamed }) {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield header;
        let done = sizeBytes - weightsBytes + header.length;
        for (const plan of plans) {
          for await (const piece of storedPieces(source, plan, changed.get(plan.info.name), signal)) {
            yield piece;
            done += piece.length;
            onProgress?.({ done, total: sizeBytes });
          }
        }
      }
      const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
      try {
        await mkdir(temporary);
        for (const [name, bytes] of sides) await writeFile(join(temporary, name), bytes, { flush: true });
        await writePiecesAtomically(join(temporary, 'model.safetensors'), pieces(), { neededBytes: weightsBytes });
        await beforeNamed();
        await takePlace(temporary, path);
      } catch (cause) {
        await rm(temporary, { recursive: true, force: true });
        await rethrowIo(cause, path, `Cannot write ${printable(path)}`, {
          neededBytes: sizeBytes,
          remedy: 'Free space there, or write to another disk.',
        });
      }
    },
  };
}

/** Gives a folder its name; one that has it goes, once the new one is there. */
async function takePlace(temporary: string, path: string): Promise<void> {
  if (!(await stat(path).catch(() => undefined))) return rename(temporary, path);
  const before = `${temporary}.before`;
  await rename(path, before);
  try {
    await rename(temporary, path);
  } catch (error) {
    await rename(before, path);
    throw error;
  }
  await rm(before, { recursive: true, force: true });
}
