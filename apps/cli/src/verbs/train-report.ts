import { stat } from 'node:fs/promises';
import type { TrainingRecipe, TrainResult } from '@gateskip/train';
import { grouped, percent, rate, seconds } from '../output/format.js';
import type { Output } from '../output/output.js';
import { describeOpenModel } from '../session/describe-session.js';
import type { OpenModel } from '../session/with-model.js';
import { outModelNote } from './train-out-model.js';
import { trainTable } from './train-table.js';

export interface TrainedRun {
  readonly recipe: TrainingRecipe;
  readonly folder: string;
  readonly out: string;
  readonly elapsedMs: number;
}

/** Prints the curve of the start beside the trained one, and says what was written and what it is for. */
export async function reportTraining(
  { adapter, model, report }: TrainResult,
  opened: OpenModel,
  { recipe, folder, out, elapsedMs }: TrainedRun,
  output: Output,
): Promise<void> {
  const { size } = await stat(out);
  await output.print(trainTable(report));
  const { steps, tokens, tokensPerSecond, parameters, ended, heldOutTokens, epochs } = report;
  output.note(
    `${out}: ${grouped(size)} bytes; ${grouped(parameters)} numbers trained in ${steps} steps on ${grouped(tokens)} tokens (${epochs === 1 ? 'within' : `${epochs} times through`} the text) at ${rate(tokensPerSecond)}, ended by ${ended}; judged on ${grouped(heldOutTokens)} held-out tokens; ${seconds(elapsedMs)} in all on backend ${opened.backend.name}; log, curve and checkpoints in ${folder}`,
  );
  if (report.fitTokens !== undefined) output.note(`the start is a closed-form fit on ${grouped(report.fitTokens)} tokens`);
  if (model) output.note(outModelNote(model));
  const top = adapter.calibration.curve.at(-1);
  const use = model ? `gateskip run ${model.path} --adapter ${out}` : `--adapter ${out}`;
  if (top) output.note(`budgets up to net=${percent(top.net)} of the dense MACs; use it with ${use}`);
  await output.document({
    out,
    sizeBytes: size,
    ...(model && { outModel: model }),
    ...describeOpenModel(opened),
    adapter: { name: adapter.name, spec: adapter.gates.spec, provenance: adapter.provenance, calibration: { kv: adapter.calibration.kv } },
    recipe,
    report,
  });
}
