import { stat } from 'node:fs/promises';
import type { GateAdapter, Model, PublishedGates } from '@gateskip/model';
import type { FitOptions, FitPhase, FitProgress, FitReport, ImportanceMeasure } from '@gateskip/train';
import { UsageError } from '../errors.js';
import type { ModelOptions } from '../options/model-options.js';
import { grouped, percent, seconds } from '../output/format.js';
import type { Output } from '../output/output.js';
import { table } from '../output/table.js';
import { describeOpenModel } from '../session/describe-session.js';
import { withEngine } from '../session/session.js';
import { type OpenModel, withModel } from '../session/with-model.js';
import { readVersion } from '../version.js';
import { calibrationSequences } from './calibration-sequences.js';
import { checkTarget } from './check-target.js';
import { fitCommandLine } from './fit-command-line.js';
import { distilledProvenance, headsLine, keptFactorType } from './fit-distill.js';
import { checkGateSource } from './fit-gate-source.js';

export interface FitVerbOptions extends Omit<ModelOptions, 'adapter' | 'allowOtherWeights'> {
  readonly out: string;
  readonly text?: readonly string[];
  readonly self?: boolean;
  readonly import?: string;
  readonly distill?: string;
  readonly force?: boolean;
  readonly name?: string;
  readonly dataDescription?: string;
  readonly dataLicense?: string;
  readonly tokens?: number;
  readonly window?: number;
  readonly seed?: number;
  readonly kv?: 'project' | 'absent' | 'alias';
  readonly protect?: readonly number[];
  readonly pinned?: number;
  readonly importance?: ImportanceMeasure;
  readonly rounds?: number;
  readonly standInRank?: number;
  readonly curveTokens?: number;
  readonly qualityRows?: number;
  readonly memoryMib?: number;
}

const phaseWords: Readonly<Record<FitPhase, string>> = {
  text: 'Writing calibration text',
  trace: 'Running the dense model',
  gates: 'Fitting gates',
  weights: 'Weighing branches',
  gradients: 'Measuring what skips do to predictions',
  costs: 'Measuring what skips cost',
  'stand-ins': 'Fitting stand-ins',
  curve: 'Measuring the curve',
};

/** Fits gates to a model and writes them, with the measured curve and where they come from. */
export async function fit(reference: string, options: FitVerbOptions, output: Output): Promise<void> {
  if (options.self && options.text)
    throw new UsageError('--self and --text are two sources of calibration text.', 'Give one of them.', { what: '--self' });
  checkGateSource(options);
  // Before minutes of work.
  await checkTarget(options.out, options.force ?? false);
  const adapter = options.distill ?? 'none';
  await withModel({ reference, options: { ...options, adapter }, gatesWanted: false }, output, async (opened) => {
    const { calibrateGates, checkDistill, checkFit, distillGates, fitAdapter } = await import('@gateskip/train');
    const onProgress = ({ phase, done, total }: FitProgress): void => output.progress.report(phaseWords[phase], done, total);
    // Making the text takes its time; what cannot be fitted is refused before.
    const source = opened.chosen?.adapter;
    const published = options.import === undefined ? undefined : await importedGates(options.import, opened.model, output);
    if (source) checkDistill(source, opened.model, fitOptions(options));
    else if (!options.text && !published) checkFit(opened.model.config, fitOptions(options));
    const data = await calibrationData(opened, options, onProgress, output);
    const provenance = {
      method: published ? 'import' : 'fit',
      command: fitCommandLine(reference, options),
      data: options.dataDescription ?? data.description,
      license: options.dataLicense ?? 'not stated',
      created: new Date().toISOString().slice(0, 10),
      version: readVersion(),
    };
    const request = {
      model: opened.model,
      backend: opened.backend,
      ...(options.threads !== undefined && { load: { threads: options.threads } }),
      sequences: data.sequences,
      name: options.name ?? (source ? `${source.name}-distilled` : defaultName(opened.model)),
      provenance: source ? distilledProvenance(provenance, source) : provenance,
      options: fitOptions(options),
      onProgress,
      signal: output.signal,
    };
    const distilled = source && (await distillGates({ ...request, adapter: source }));
    const made = distilled ?? (published ? await calibrateGates({ ...request, gates: published.gates }) : await fitAdapter(request));
    await writeFitted(made, opened, options, output, {
      ...(published && { imported: { otherTensors: published.otherTensors } }),
      ...(distilled && { note: headsLine(distilled.report) }),
    });
  });
}

interface Fitted {
  readonly adapter: GateAdapter;
  readonly report: Pick<FitReport, 'tokens' | 'knots' | 'densePerplexity'> & { readonly timingsMs: { readonly total: number } };
}

/** Writes the file and says what is in it. */
async function writeFitted(
  { adapter, report }: Fitted,
  opened: OpenModel,
  options: FitVerbOptions,
  output: Output,
  more: { readonly imported?: object; readonly note?: string },
): Promise<void> {
  output.signal.throwIfAborted();
  const { writeAdapter } = await import('@gateskip/model');
  await checkTarget(options.out, options.force ?? false);
  await writeAdapter(options.out, adapter, await keptFactorType(adapter));
  const { size } = await stat(options.out);
  await output.print(curveTable(report) + (more.note ?? ''));
  output.note(
    `${options.out}: ${grouped(size)} bytes, ${report.tokens.fit + report.tokens.heldOut} tokens in ${seconds(report.timingsMs.total)} on backend ${opened.backend.name}`,
  );
  await output.document({
    out: options.out,
    sizeBytes: size,
    ...describeOpenModel(opened),
    adapter: {
      name: adapter.name,
      spec: adapter.gates.spec,
      provenance: adapter.provenance,
      calibration: { kv: adapter.calibration.kv },
    },
    ...(more.imported && { imported: more.imported }),
    report,
  });
}

/** Gates of a checkpoint of the published code; what else is in the file is said, not used. */
async function importedGates(path: string, { config }: Model, output: Output): Promise<PublishedGates> {
  const { readPublishedGates } = await import('@gateskip/model');
  const published = await readPublishedGates(path, config);
  const { otherTensors } = published;
  if (otherTensors > 0)
    output.note(
      `${path} holds ${otherTensors} more tensors, which are not read. Gates belong to the weights that they were trained with: if those were trained too, convert the model from this checkpoint.`,
    );
  return published;
}

function fitOptions(options: FitVerbOptions): FitOptions {
  const { tokens, window, seed, kv, protect, pinned, importance, rounds, standInRank, curveTokens, qualityRows, memoryMib } = options;
  const given = {
    tokens,
    windowTokens: window,
    seed,
    kv,
    protectedBranches: protect,
    pinnedTokens: pinned,
    importance,
    rounds,
    standInRank,
    curveTokens,
    qualityRows,
    memoryBytes: memoryMib === undefined ? undefined : memoryMib * 1048576,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as FitOptions;
}

interface CalibrationData {
  readonly sequences: readonly Int32Array[];
  readonly description: string;
}

/** Text of files, or what the dense model writes itself. */
async function calibrationData(
  opened: OpenModel,
  options: FitVerbOptions,
  onProgress: (progress: FitProgress) => void,
  output: Output,
): Promise<CalibrationData> {
  const wanted = options.tokens ?? 8192;
  if (options.text) return calibrationSequences(opened.model, options.text, wanted, output.signal);
  const { generateCalibrationText } = await import('@gateskip/train');
  const load = options.threads === undefined ? {} : { threads: options.threads };
  const { sequences, tokens, answers } = await withEngine({ ...opened, chosen: undefined }, load, output, (engine) =>
    generateCalibrationText({
      engine,
      tokens: wanted,
      ...(options.seed !== undefined && { seed: options.seed }),
      onProgress,
      signal: output.signal,
    }),
  );
  const description = `${tokens} tokens that the dense model wrote itself: ${answers} answers to prompts and continued beginnings of @gateskip/train`;
  return { sequences, description };
}

/** `gates-smollm2-135m` from the model's own name. */
function defaultName({ config }: Model): string {
  const plain = config.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return `gates-${plain || 'model'}`;
}

function curveTable({ knots, densePerplexity }: Pick<FitReport, 'knots' | 'densePerplexity'>): string {
  const rows = knots.map(({ threshold, skip, net, kl, top1, perplexity }) => [
    threshold.toFixed(4),
    percent(skip),
    percent(net),
    kl.toFixed(4),
    percent(top1),
    perplexity.toFixed(2),
  ]);
  return `${table(['threshold', 'skip', 'net MACs', 'KL to dense', 'same top-1', 'perplexity'], rows, [0, 1, 2, 3, 4, 5])}dense perplexity ${densePerplexity.toFixed(2)}\n`;
}
