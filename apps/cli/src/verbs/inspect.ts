import type { Model } from '@gateskip/model';
import { TextInputError, UsageError } from '../errors.js';
import { exitCodes } from '../exit-codes.js';
import type { BudgetOptions } from '../options/budget-options.js';
import type { SamplingOptions } from '../options/generation-options.js';
import type { ModelOptions } from '../options/model-options.js';
import { readPrompt } from '../options/read-text.js';
import { needsGates, type SkipRequest, samplingRequest, skipRequest } from '../options/requests.js';
import type { Output } from '../output/output.js';
import { statisticsLines } from '../output/statistics.js';
import { terminalColor } from '../output/terminal-color.js';
import { chooseAdapter } from '../session/choose-adapter.js';
import { describeSession } from '../session/describe-session.js';
import { openSource } from '../session/open-source.js';
import { withSession } from '../session/session.js';
import { describeAdapter, describeModel } from './describe-model.js';
import { describeResult, type PromptInput, promptInput } from './run.js';

export interface InspectOptions extends ModelOptions, BudgetOptions, SamplingOptions {
  readonly file?: string;
  readonly raw?: boolean;
  readonly system?: string;
  readonly generate: number;
  readonly scores?: boolean;
  readonly skips?: boolean;
  readonly kinds: 'both' | 'attention' | 'mlp';
  readonly svg?: string;
  readonly color: 'auto' | 'truecolor' | '256' | 'none';
  readonly width?: number;
  readonly check?: boolean;
}

/** With a prompt: a heat map of what the gates do with it. Without: what the model and its gates are. */
export async function inspect(reference: string, argument: string | undefined, options: InspectOptions, output: Output): Promise<number> {
  if (options.scores && options.skips)
    throw new UsageError('--scores and --skips are two different maps.', 'Give one of them.', { what: '--scores' });
  const skip = await skipRequest(options);
  const asked = argument !== undefined || options.file !== undefined;
  if (!asked) {
    if (options.svg !== undefined || skip.budget !== undefined || options.scores || options.skips)
      throw new UsageError('A heat map needs a prompt.', 'Give it as an argument, with --file, or as - to pipe it in.', { what: 'prompt' });
    return describe(reference, options, output);
  }
  if (options.check)
    throw new UsageError('--check looks at the weights and takes no prompt.', 'Leave one of them out.', { what: '--check' });
  const text = await readPrompt({ argument, file: options.file }, output.io);
  if (text === undefined || text === '') throw new UsageError('The prompt is empty.', 'Give some text.', { what: 'prompt' });
  await drawHeatMap(reference, text, skip, options, output);
  return exitCodes.ok;
}

async function drawHeatMap(reference: string, text: string, skip: SkipRequest, options: InspectOptions, output: Output): Promise<void> {
  const what = options.scores ? 'scores' : options.skips || skip.budget !== undefined ? 'skips' : 'scores';
  const gatesNeeded = (await needsGates(skip)) ? `Budget ${options.budget}` : what === 'scores' ? 'A heat map of scores' : undefined;
  const firstPrompt = (model: Model): PromptInput => promptInput(model, text, options);
  await withSession({ reference, options, gatesNeeded, gatesWanted: true, firstPrompt }, output, async (session) => {
    const { result } = session.engine.generate({
      ...firstPrompt(session.model),
      ...skip,
      sampling: samplingRequest(options),
      maxTokens: options.generate,
      overflow: 'clamp',
      trace: true,
      signal: output.signal,
    });
    const done = await result;
    if (done.trace === undefined) throw new Error('The engine gave no trace.');
    const { renderHeatMapSvg, renderHeatMapText, summarizeTrace } = await import('@gateskip/observe');
    const { kinds, svg } = options;
    const color = options.color === 'auto' ? terminalColor(output.io) : options.color;
    const width = options.width ?? Math.min(1000, Math.max(40, output.io.stdout.columns ?? 100));
    await output.draw(renderHeatMapText(done.trace, { what, kinds, color, width }));
    if (svg !== undefined) {
      const title = `${session.model.config.name}: ${text.slice(0, 60).replace(/\s+/g, ' ')}`;
      const picture = Buffer.from(renderHeatMapSvg(done.trace, { what, kinds, title }));
      const { writeFileAtomically } = await import('@gateskip/model');
      await writeFileAtomically(svg, [picture]).catch((error: Error) => {
        throw new TextInputError(`Cannot write ${svg}: ${error.message}.`, 'Check the folder.', { what: svg });
      });
      output.note(`SVG written to ${svg}`);
    }
    for (const line of statisticsLines(done, session.backendWords, session.chosen?.adapter.name)) output.note(line);
    const { byClass, byKind, byLayer, byBranch } = summarizeTrace(done.trace);
    await output.document({
      ...describeResult(done),
      ...describeSession(session),
      what,
      svg: svg ?? null,
      summary: { byKind, byClass, byLayer, byBranch },
      trace: done.trace,
    });
  });
}

async function describe(reference: string, options: InspectOptions, output: Output): Promise<number> {
  const { resolved, model } = await openSource(reference, options.offline, output);
  try {
    const { adapter, allowOtherWeights } = options;
    const chosen = await chooseAdapter(model, reference, { adapter, allowOtherWeights, wanted: true });
    const modelReport = describeModel(model, resolved);
    const adapterReport = chosen ? await describeAdapter(chosen, model.config) : undefined;
    await output.print(modelReport.text);
    await output.print(
      adapterReport ? `\n${adapterReport.text}` : '\nNo gate adapter: none is bundled for these weights and none was given.\n',
    );
    let check: { readonly ok: boolean } | undefined;
    if (options.check) {
      const { checkModel } = await import('@gateskip/model');
      const report = await checkModel(model, {
        signal: output.signal,
        onProgress: ({ done, total }) => output.progress.report('Checking the weights', done, total, 'bytes'),
      });
      check = report;
      const findings = report.findings.map(
        ({ tensor, nan, infinite, first }) =>
          `  - ${tensor}: ${nan} NaN, ${infinite} infinite, the first at row ${first[0]}, column ${first[1]}\n`,
      );
      await output.print(
        report.ok ? `\nAll ${report.values} weights are finite.\n` : `\nWeights that are not finite:\n${findings.join('')}`,
      );
    }
    await output.document({ model: modelReport.json, adapter: adapterReport?.json ?? null, ...(check && { check }) });
    return check?.ok === false ? exitCodes.input : exitCodes.ok;
  } finally {
    await model.close();
  }
}
