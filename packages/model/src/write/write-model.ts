import { realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ModelIoError, printable } from '../errors.js';
import { checkRoom } from '../file/disk-room.js';
import { ggufEmbeddingName } from '../gguf/tensor-map.js';
import { ggufWriter } from '../gguf/write-gguf.js';
import type { Model } from '../model.js';
import { checkpointWriter } from '../safetensors/write-checkpoint.js';
import { checkTensors } from './check-tensors.js';
import { ModelExistsError, ModelNotWritableError } from './errors.js';
import type { FormWriter, WriteProgress, WrittenModelType } from './form-writer.js';

export interface WriteModelOptions {
  /** How matrices are stored; default F32, which rounds nothing. Norm weights are always F32. Q8_0 only as GGUF. */
  readonly type?: WrittenModelType;
  /** Replace what is there; default false. */
  readonly force?: boolean;
}

/** A model that is about to be written: everything that can be refused beforehand has been. */
export interface ModelWriter {
  readonly path: string;
  readonly type: WrittenModelType;
  /** What the new model will take on disk. */
  readonly sizeBytes: number;
  /**
   * Writes it, whole or not at all.
   *
   * @param tensors new values by canonical name, row-major as `tensorShapes` says; tensors that are not named keep the source's
   * @throws InvalidArgumentError, ShapeMismatchError, ModelNotWritableError for values that the type cannot hold, ModelExistsError,
   *   DiskFullError, ModelIoError, AbortedError
   */
  write(tensors: ReadonlyMap<string, Float32Array>, progress?: WriteProgress): Promise<void>;
}

const diskRemedy = 'Free space there, write to another disk, or choose a narrower type.';

/**
 * Gets ready to write a model that has the form, the tokenizer and the shapes of `source` and other weights: a GGUF file where
 * the source is one, else a folder as Hugging Face lays it out. What belongs to the source beside its weights is read now, so that the
 * source's own files may be gone when the weights are there.
 *
 * @throws ModelNotWritableError for models without files, types that do not fit, places that hold something else; ModelExistsError;
 *   DiskFullError, ModelIoError
 */
export async function prepareModelWriter(source: Model, path: string, options: WriteModelOptions = {}): Promise<ModelWriter> {
  const { type = 'F32', force = false } = options;
  if (type !== 'F32' && type !== 'F16' && type !== 'Q8_0')
    throw new ModelNotWritableError(`Models are not written as ${printable(String(type))}.`, 'Take F32, F16 or Q8_0.', { got: type });
  const sourcePath = source.path;
  if (sourcePath === undefined)
    throw new ModelNotWritableError(
      `Model "${printable(source.config.name)}" lies in memory: there is no file whose form and tokenizer a new one could have.`,
      'Open a model from a GGUF file or a safetensors folder.',
      { what: source.config.name },
    );
  const target = resolve(path);
  const isGguf = source.tensors.get('tokenEmbedding')?.sourceName === ggufEmbeddingName;
  const form = await (isGguf ? ggufWriter(source, sourcePath, type) : checkpointWriter(source, sourcePath, target, type));
  const check = async (): Promise<void> => checkTarget(form, target, force);
  await check();
  await checkRoom(target, form.sizeBytes, diskRemedy);
  return {
    path,
    type,
    sizeBytes: form.sizeBytes,
    async write(tensors, progress = {}) {
      checkTensors(source.config, tensors);
      await check();
      await checkRoom(target, form.sizeBytes, diskRemedy);
      await form.write(target, tensors, { ...progress, beforeNamed: check });
    },
  };
}

/**
 * Writes a model with other weights at once: {@link prepareModelWriter} and its `write`.
 *
 * ```ts
 * const source = await openModel('model.gguf');
 * await writeModel(source, new Map([['outputNorm', weights]]), 'new.gguf', { type: 'F16' });
 * ```
 */
export async function writeModel(
  source: Model,
  tensors: ReadonlyMap<string, Float32Array>,
  path: string,
  options: WriteModelOptions & WriteProgress = {},
): Promise<{ readonly path: string; readonly sizeBytes: number }> {
  const writer = await prepareModelWriter(source, path, options);
  await writer.write(tensors, options);
  return { path, sizeBytes: writer.sizeBytes };
}

async function checkTarget(form: FormWriter, target: string, force: boolean): Promise<void> {
  const folder = dirname(target);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new ModelIoError(`Cannot write ${printable(target)}: ${printable(folder)} is no folder that is there.`, { what: target });
  const found = await stat(target).catch(() => undefined);
  if (!found) return;
  if ((await realpath(target)) === (await realpath(form.sourcePlace).catch(() => undefined)))
    throw new ModelNotWritableError(`${printable(target)} is the model that the new one is made from.`, 'Name another place.', {
      what: target,
    });
  if (!force) throw new ModelExistsError(target);
  await form.checkReplaced(target, found.isDirectory());
}
