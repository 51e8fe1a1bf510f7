import { join } from 'node:path';
import type { GateAdapter } from '@gateskip/model';
import type { TrainingRecipe, TrainPhase, TrainProgress, TrainRequest, TrainResult } from '@gateskip/train';
import { UsageError } from '../errors.js';
import type { ModelOptions } from '../options/model-options.js';
import { grouped, rate, seconds } from '../output/format.js';
import type { Output } from '../output/output.js';
import { type OpenModel, withModel } from '../session/with-model.js';
import { readVersion } from '../version.js';
import { checkTarget } from './check-target.js';
import { trainCommandLine } from './train-command-line.js';
import { checkOutModel, type ModelTypeName, outModelOf } from './train-out-model.js';
import { recipeOf } from './train-recipe.js';
import { reportTraining } from './train-report.js';
import { trainingTextOf } from './train-text.js';

export interface TrainVerbOptions extends Omit<ModelOptions, 'adapter' | 'allowOtherWeights'> {
  readonly out?: string;
  readonly outModel?: string;
  readonly modelType?: ModelTypeName;
  readonly recipe?: string;
  readonly printRecipe?: string;
  readonly text?: readonly string[];
  readonly self?: boolean;
  readonly prompts?: string;
  readonly textTokens?: number;
  readonly textCache?: string;
  readonly start?: string;
  readonly tokens?: number;
  readonly minutes?: number;
  readonly run?: string;
  readonly resume?: boolean;
  readonly lr?: Readonly<Record<string, unknown>>;
  readonly rows?: number;
  readonly seed?: number;
  readonly kv?: 'project' | 'absent' | 'alias';
  readonly drop?: readonly number[];
  readonly precision?: 'f32' | 'bf16';
  readonly force?: boolean;
  readonly name?: string;
  readonly dataDescription?: string;
  readonly dataLicense?: string;
}

const phaseWords: Readonly<Record<TrainPhase, string>> = {
  text: 'Writing the text',
  trace: 'Fitting the start: running the dense model',
  gates: 'Fitting the start: gates',
  weights: 'Fitting the start: weighing branches',
  gradients: 'Fitting the start: what skips do to predictions',
  costs: 'Fitting the start: what skips cost',
  'stand-ins': 'Fitting the start: stand-ins',
  curve: 'Fitting the start: curve',
  load: 'Loading the trainer',
  look: 'Looking at the held-out curve',
  train: 'Training',
  write: 'Writing the model',
  calibrate: 'Calibrating',
};

/** Trains an adapter by a recipe and writes it; prints the curve of the start beside the trained one. */
export async function train(reference: string | undefined, options: TrainVerbOptions, output: Output): Promise<void> {
  const startedMs = performance.now();
  if (options.printRecipe !== undefined) return printRecipe(options.printRecipe, output);
  const { out } = options;
  if (reference === undefined) throw new UsageError('There is no model to train.', 'Name one.', { what: 'model' });
  if (out === undefined) throw new UsageError('--out is missing.', 'Name the adapter to write.', { what: '--out' });
  if (options.self && options.text)
    throw new UsageError('--self and --text are two sources of text.', 'Give one of them.', { what: '--self' });
  // Before minutes or hours of work.
  const recipe = await recipeOf(options);
  await checkTarget(out, options.force ?? false);
  const outModel = await outModelOf(options, recipe);
  const deadlineMs = options.minutes === undefined ? undefined : startedMs + 60_000 * options.minutes;
  await withModel({ reference, options: { ...options, adapter: 'none' }, gatesWanted: false }, output, async (opened) => {
    await checkOutModel(opened.model, outModel);
    const folder = options.run ?? `${out}.run`;
    const result = await runTraining(reference, opened, { recipe, folder, outModel, deadlineMs }, options, output);
    output.signal.throwIfAborted();
    const { writeAdapter } = await import('@gateskip/model');
    await checkTarget(out, options.force ?? false);
    await writeAdapter(out, result.adapter);
    await reportTraining(result, opened, { recipe, folder, out, elapsedMs: performance.now() - startedMs }, output);
  });
}

async function printRecipe(name: string, output: Output): Promise<void> {
  const { builtInRecipe, recipeNames } = await import('@gateskip/train');
  const known = recipeNames.find((each) => each === name);
  if (known === undefined)
    throw new UsageError(`There is no recipe "${name}".`, `Name one of ${recipeNames.join(', ')}.`, { what: '--print-recipe' });
  const recipe = builtInRecipe(known);
  await output.print(`${JSON.stringify(recipe, null, 2)}\n`);
  await output.document(recipe);
}

/** What is known of a run before it starts. */
interface RunPlan {
  readonly recipe: TrainingRecipe;
  readonly folder: string;
  readonly outModel: TrainRequest['outModel'];
  readonly deadlineMs: number | undefined;
}

async function runTraining(
  reference: string,
  opened: OpenModel,
  { recipe, folder, outModel, deadlineMs }: RunPlan,
  options: TrainVerbOptions,
  output: Output,
): Promise<TrainResult> {
  const { runnerTeacher, trainAdapter } = await import('@gateskip/train');
  const { threads, precision = 'auto' } = options;
  const start = await startOf(options.start, opened);
  const text = await trainingTextOf(opened, recipe, folder, options, output);
  const load = threads === undefined ? {} : { threads };
  const { model } = opened;
  const runner = await opened.backend.load(model, { ...load, signal: output.signal });
  try {
    const teacher = runnerTeacher({
      runner,
      model,
      count: recipe.loss.teacher?.count ?? 64,
      cacheFolder: options.textCache ?? join(folder, 'text'),
    });
    try {
      return await trainAdapter({
        model,
        backend: opened.backend,
        recipe,
        text,
        teacher,
        name: options.name ?? nameOf(recipe, opened),
        provenance: {
          method: `train ${recipe.name}`,
          command: trainCommandLine(reference, options),
          data: options.dataDescription ?? text.description,
          license: options.dataLicense ?? text.license,
          created: new Date().toISOString().slice(0, 10),
          version: readVersion(),
        },
        ...(start && { start }),
        ...(outModel && { outModel }),
        ...(opened.profile && { profile: opened.profile }),
        folder,
        ...(options.resume && { resume: true }),
        ...(threads !== undefined && { threads }),
        ...(opened.backend.name === 'cpu' && { extra: { precision } }),
        ...(deadlineMs !== undefined && { deadlineMs }),
        onProgress: (progress) => showProgress(progress, output),
        signal: output.signal,
      });
    } finally {
      await teacher.close();
    }
  } finally {
    await runner.close();
  }
}

/** What to start from in place of a fit. @throws AdapterInvalidError, AdapterMismatchError */
async function startOf(path: string | undefined, { model }: OpenModel): Promise<GateAdapter | undefined> {
  if (path === undefined) return undefined;
  const { assertAdapterFits, readAdapter } = await import('@gateskip/model');
  const adapter = await readAdapter(path);
  assertAdapterFits(adapter, model);
  return adapter;
}

function showProgress({ phase, done, total, training }: TrainProgress, output: Output): void {
  if (!training) return output.progress.report(phaseWords[phase], done, total, 'share');
  const { step, tokens, loss, tokensPerSecond, leftMs, curve } = training;
  const points = curve.points.map(({ netSaved, kl, asked }) => `${asked === 0 ? '0' : (100 * netSaved).toFixed(0)} %: ${kl.toFixed(3)}`);
  output.progress.report(
    phaseWords[phase],
    done,
    total,
    'share',
    `step ${step}, ${grouped(tokens)} tokens, ${rate(tokensPerSecond)}, ${seconds(leftMs)} left, loss ${loss.toFixed(3)}, held out KL at ${points.join(', ')}`,
  );
}

/** `minutes-smollm2-135m` from the recipe's and the model's own names. */
function nameOf(recipe: TrainingRecipe, { model }: OpenModel): string {
  const plain = `${recipe.name}-${model.config.name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return plain || 'trained';
}
