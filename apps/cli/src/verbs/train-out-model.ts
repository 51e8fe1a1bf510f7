import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Model, WrittenModelType } from '@gateskip/model';
import type { TrainedModel, TrainingRecipe, TrainRequest } from '@gateskip/train';
import { FileExistsError, UsageError } from '../errors.js';
import { grouped } from '../output/format.js';
import type { TrainVerbOptions } from './train.js';

/** Values of `--model-type`. */
export type ModelTypeName = 'f32' | 'f16' | 'q8_0';

/**
 * `--out-model` and `--model-type` against the recipe and the files that are there, before a model is opened.
 *
 * @throws UsageError, FileExistsError
 */
export async function outModelOf(
  { out, outModel, modelType, force = false }: TrainVerbOptions,
  recipe: TrainingRecipe,
): Promise<TrainRequest['outModel']> {
  const isTrained = recipe.trainable.includes('backbone');
  if (outModel === undefined) {
    if (isTrained)
      throw new UsageError(
        `Recipe "${recipe.name}" trains the whole model, which no adapter holds, and --out-model is missing.`,
        'Name the model to write with --out-model, or take a recipe that does not train the backbone.',
        { what: '--out-model' },
      );
    if (modelType !== undefined)
      throw new UsageError('--model-type says how --out-model is stored, and there is none.', 'Leave it out.', { what: '--model-type' });
    return undefined;
  }
  if (!isTrained)
    throw new UsageError(
      `Recipe "${recipe.name}" does not train the backbone: the model stays as it is, and there is none for --out-model.`,
      'Leave it out, or take a recipe such as paper-full.',
      { what: '--out-model' },
    );
  if (outModel === '') throw new UsageError('--out-model is empty.', 'Name a file or folder.', { what: '--out-model' });
  if (out !== undefined && resolve(out) === resolve(outModel))
    throw new UsageError('--out and --out-model are the same file.', 'The adapter and its model are two.', { what: '--out-model' });
  if (!force && (await stat(outModel).catch(() => undefined))) throw new FileExistsError(outModel);
  return { path: outModel, type: (modelType ?? 'f32').toUpperCase() as WrittenModelType, force };
}

/** That such a model can be made of this one: before text is written and gates are fitted. What `prepareModelWriter` throws. */
export async function checkOutModel(model: Model, outModel: TrainRequest['outModel']): Promise<void> {
  if (outModel === undefined) return;
  const { prepareModelWriter } = await import('@gateskip/model');
  await prepareModelWriter(model, outModel.path, outModel);
}

export function outModelNote({ path, type, sizeBytes }: TrainedModel): string {
  return `${path}: the trained model, ${grouped(sizeBytes)} bytes, matrices as ${type}`;
}
