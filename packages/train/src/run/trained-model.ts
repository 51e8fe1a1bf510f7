import { rm } from 'node:fs/promises';
import type { Trainer } from '@gateskip/backend';
import { InvalidArgumentError } from '@gateskip/errors';
import { type Model, type ModelWriter, openModel, prepareModelWriter } from '@gateskip/model';
import type { TrainedModel, TrainRequest } from './train-request.js';

/** Whether a recipe makes a new model, to which its adapter belongs. */
export const makesModel = ({ trainable }: TrainRequest['recipe']): boolean => trainable.includes('backbone');

/**
 * What will write the model that a run makes, ready before the run starts; undefined where it makes none.
 *
 * @throws InvalidArgumentError, and what `prepareModelWriter` throws
 */
export async function trainedModelWriter({ recipe, model, outModel }: TrainRequest): Promise<ModelWriter | undefined> {
  if (makesModel(recipe) && outModel === undefined)
    throw new InvalidArgumentError(
      `Recipe "${recipe.name}" trains the backbone, which makes a new model, and there is no place to write it.`,
      'Say where with outModel, or train something that an adapter can hold.',
      { what: 'outModel' },
    );
  if (outModel === undefined) return undefined;
  if (!makesModel(recipe))
    throw new InvalidArgumentError(
      `Recipe "${recipe.name}" does not train the backbone: the model stays as it is.`,
      'Leave outModel out, or add backbone to "trainable".',
      { what: 'outModel' },
    );
  return prepareModelWriter(model, outModel.path, outModel);
}

/**
 * Writes the model as it was trained and opens it for `use`. Where that fails the file is removed again: a model without the adapter
 * that belongs to it would be in the way when the run goes on.
 */
export async function withTrainedModel<T>(
  writer: ModelWriter,
  { parameters }: Trainer,
  { signal }: TrainRequest,
  onProgress: (done: number, total: number) => void,
  use: (model: Model) => Promise<T>,
): Promise<{ readonly used: T; readonly written: TrainedModel }> {
  const { path, type, sizeBytes } = writer;
  const trained = parameters.filter(({ group }) => group === 'backbone' || group === 'norms');
  await writer.write(new Map(trained.map(({ name, value }) => [name, value])), {
    onProgress: ({ done, total }) => onProgress(done, total),
    ...(signal && { signal }),
  });
  try {
    const model = await openModel(path);
    try {
      return { used: await use(model), written: { path, type, sizeBytes, fingerprint: model.fingerprint } };
    } finally {
      await model.close();
    }
  } catch (error) {
    await rm(path, { recursive: true, force: true });
    throw error;
  }
}
