import { join } from 'node:path';
import type { TextProgress, TrainingRecipe, TrainingText } from '@gateskip/train';
import { seconds } from '../output/format.js';
import type { Output } from '../output/output.js';
import type { OpenModel } from '../session/with-model.js';
import type { TrainVerbOptions } from './train.js';

/** Longest piece of a text that is trained on at once; attention over more costs time and teaches little. */
const windowTokens = 512;
const longestAnswer = 384;
/** Own text where its amount is not given; with little time less. */
const ownTokens = 65_536;
const ownTokensPerMinute = 4096;
const ownLicense = 'own text of the model, under the licence of the model';

/**
 * What to train on: files, or what the dense model writes itself, which is kept in the run's folder so that a run that goes
 * on has the same.
 */
export async function trainingTextOf(
  { model, backend }: OpenModel,
  recipe: TrainingRecipe,
  folder: string,
  options: TrainVerbOptions,
  output: Output,
): Promise<TrainingText> {
  const { generateTrainingText, readTrainingPrompts, readTrainingText } = await import('@gateskip/train');
  const { text, textTokens, threads, minutes, dataLicense, dataDescription } = options;
  const common = {
    seed: recipe.seed,
    ...(dataDescription !== undefined && { description: dataDescription }),
    onProgress: ({ phase, done, total }: TextProgress) =>
      output.progress.report(phase === 'read' ? 'Reading the text' : 'Writing the text', done, total),
    signal: output.signal,
  };
  if (text) {
    const read = await readTrainingText({
      ...common,
      paths: text,
      model,
      windowTokens: Math.min(windowTokens, recipe.batch.rows, model.config.contextLength),
      license: dataLicense ?? 'not stated',
      ...(textTokens !== undefined && { maxTokens: textTokens }),
    });
    const { cutTokens, leftOutTokens, cutRecords, leftOutRecords } = read.report;
    if (cutRecords + leftOutRecords > 0)
      output.note(
        `text: ${cutTokens} tokens of ${cutRecords} long conversations cut off, ${leftOutRecords} records (${leftOutTokens} tokens) left out`,
      );
    return read;
  }
  const wanted = textTokens ?? Math.min(ownTokens, Math.max(2048, Math.round((minutes ?? Number.POSITIVE_INFINITY) * ownTokensPerMinute)));
  const startedMs = performance.now();
  const written = await generateTrainingText({
    ...common,
    model,
    backend,
    ...(threads !== undefined && { threads }),
    ...(options.prompts !== undefined && { prompts: await readTrainingPrompts(options.prompts, output.signal) }),
    tokens: wanted,
    // Little text is of many short answers: some are held out.
    maxAnswerTokens: Math.min(longestAnswer, Math.max(32, Math.ceil(wanted / 16))),
    license: dataLicense ?? ownLicense,
    cacheFolder: options.textCache ?? join(folder, 'text'),
  });
  const { tokens, answers, cachedTokens } = written.report;
  output.note(
    `text: ${tokens} tokens of ${answers} answers, ${cachedTokens} of them kept from before, ${seconds(performance.now() - startedMs)}`,
  );
  return written;
}
