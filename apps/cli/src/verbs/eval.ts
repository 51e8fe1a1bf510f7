import { existsSync, rmSync } from 'node:fs';
import type { Runner } from '@gateskip/backend';
import type { EvaluateOptions, EvaluationProgress, EvaluationResults } from '@gateskip/evaluate';
import { FileExistsError, TextInputError, UsageError } from '../errors.js';
import type { ModelOptions } from '../options/model-options.js';
import { seconds } from '../output/format.js';
import { toJson } from '../output/json.js';
import type { Output } from '../output/output.js';
import { withEngine } from '../session/session.js';
import { type OpenModel, withModel } from '../session/with-model.js';
import { readVersion } from '../version.js';
import { type EvalDataOptions, prepareTasks, tasksOf } from './eval-data.js';
import { programRunnerOf } from './eval-programs.js';
import { type EvalRunOptions, runsOf } from './eval-runs.js';
import { chooseStandIns } from './eval-stand-ins.js';

export interface EvalOptions extends ModelOptions, EvalDataOptions, EvalRunOptions {
  readonly offline?: boolean;
  readonly perplexity?: string;
  readonly agreement?: string;
  readonly window?: number;
  readonly stride?: number;
  readonly textTokens?: number;
  readonly speedRounds?: number;
  readonly executeGeneratedCode?: boolean;
  readonly maxRows?: number;
  readonly out?: string;
  readonly force?: boolean;
  readonly svg?: string;
  readonly html?: string;
  readonly markdown?: string;
}

/** Scores a model on tasks and texts, dense and under budgets. */
export async function evaluateModel(reference: string, options: EvalOptions, output: Output): Promise<void> {
  if (!options.tasks && options.perplexity === undefined && options.agreement === undefined)
    throw new UsageError('There is nothing to evaluate.', 'Give --tasks with --data, --perplexity or --agreement.', { what: '--tasks' });
  if (options.agreement !== undefined && !options.budget)
    throw new UsageError('--agreement compares a budget with the dense model.', 'Give --budget.', { what: '--agreement' });
  const journalPath = options.out === undefined ? undefined : journalOf(options.out, options.force ?? false);
  const tasks = await tasksOf(options);
  const programRunner = await programRunnerOf(tasks, options.executeGeneratedCode, output);
  await withModel({ reference, options, gatesWanted: true }, output, async (opened) => {
    const runs = await runsOf(options, opened, output);
    const open = await chooseStandIns(opened, options.standIns);
    const prepared = await prepareTasks(tasks, options, open, output);
    const texts = await textsOf(options, open);
    const { evaluate, needsScores } = await import('@gateskip/evaluate');
    const updateScores = runs.some(needsScores) ? (await import('@gateskip/train')).updateScores : undefined;
    const { threads, seed, speedRounds, maxRows } = options;
    const load = threads === undefined ? {} : { threads };
    const score = (runner: Runner, denseRunner: Runner): Promise<EvaluationResults> =>
      evaluate({
        model: open.model,
        runner,
        denseRunner,
        runs,
        tasks: prepared,
        ...texts,
        ...(updateScores && { textScores: (tokens: Int32Array) => updateScores({ runner, tokens, signal: output.signal }) }),
        ...(programRunner && { programRunner }),
        ...(speedRounds !== undefined && { speed: { rounds: speedRounds } }),
        ...(seed !== undefined && { seed }),
        ...(maxRows !== undefined && { maxRows }),
        ...(journalPath !== undefined && { journalPath }),
        versions: { gateskip: readVersion(), node: process.versions.node },
        onProgress: (progress) => showProgress(progress, output),
        signal: output.signal,
      });
    const results = await withEngine(open, load, output, ({ runner }) =>
      // Agreement and pairs are with the model itself, also where the adapter changes it.
      open.chosen?.adapter.backbone === undefined
        ? score(runner, runner)
        : withEngine({ ...open, chosen: undefined }, load, output, (dense) => score(runner, dense.runner)),
    );
    await writeResults(results, options, journalPath, output);
  });
}

/** Where finished items are noted. @throws FileExistsError where results stand in the way */
function journalOf(out: string, force: boolean): string {
  const path = `${out}.journal.jsonl`;
  if (force) rmSync(path, { force: true });
  else if (existsSync(out) && !existsSync(path)) throw new FileExistsError(out);
  return path;
}

async function textsOf(options: EvalOptions, { model }: OpenModel): Promise<Pick<EvaluateOptions, 'perplexity' | 'agreement'>> {
  const { perplexity, agreement, window, stride, textTokens } = options;
  const { readText } = await import('@gateskip/evaluate');
  const common = window === undefined ? {} : { window };
  return {
    ...(perplexity !== undefined && {
      perplexity: { text: await readText(perplexity, model, textTokens), ...common, ...(stride !== undefined && { stride }) },
    }),
    ...(agreement !== undefined && { agreement: { text: await readText(agreement, model, textTokens), ...common } }),
  };
}

function showProgress({ run, part, done, total, msLeft }: EvaluationProgress, output: Output): void {
  output.progress.report(`${run}: ${part}`, done, total, 'count', msLeft === undefined ? undefined : `about ${seconds(msLeft)} left`);
}

async function writeResults(
  results: EvaluationResults,
  options: EvalOptions,
  journalPath: string | undefined,
  output: Output,
): Promise<void> {
  const { renderHtml, renderMarkdown, renderParetoSvg } = await import('@gateskip/evaluate');
  const { out, svg, html, markdown } = options;
  if (out !== undefined) await writeText(out, `${toJson(results)}\n`, 'results', output);
  // They are safe now.
  if (journalPath !== undefined) rmSync(journalPath, { force: true });
  if (svg !== undefined) await writeText(svg, renderParetoSvg(results), 'chart', output);
  if (html !== undefined) await writeText(html, renderHtml(results), 'page', output);
  if (markdown !== undefined) await writeText(markdown, renderMarkdown(results), 'tables', output);
  for (const { label, reason } of results.unreached) output.warn(`${label} is out of reach: ${reason}`);
  const cut = results.runs.flatMap(({ tasks }) => Object.entries(tasks).filter(([, { cutItems }]) => cutItems > 0));
  for (const [name, count] of new Map(cut.map(([name, { cutItems }]) => [name, cutItems])))
    output.warn(`${count} items of ${name} did not fit the context; their start was cut off`);
  await output.document(results);
  await output.print(renderMarkdown(results));
}

async function writeText(path: string, text: string, what: string, output: Output): Promise<void> {
  const { writeFileAtomically } = await import('@gateskip/model');
  await writeFileAtomically(path, [Buffer.from(text)]).catch((error: Error) => {
    throw new TextInputError(`Cannot write ${path}: ${error.message}.`, 'Check the folder.', { what: path });
  });
  output.note(`${what} written to ${path}`);
}
