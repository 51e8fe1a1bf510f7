import { stat } from 'node:fs/promises';
import type { ModelProfile, ProfileOptions, ProfileProgress } from '@gateskip/train';
import type { ModelOptions } from '../options/model-options.js';
import { grouped, percent } from '../output/format.js';
import type { Output } from '../output/output.js';
import { table } from '../output/table.js';
import { describeOpenModel } from '../session/describe-session.js';
import { withEngine } from '../session/session.js';
import { withModel } from '../session/with-model.js';
import { calibrationSequences } from './calibration-sequences.js';
import { checkTarget } from './check-target.js';

export interface ProfileVerbOptions extends Omit<ModelOptions, 'adapter' | 'allowOtherWeights'> {
  readonly out: string;
  readonly text?: readonly string[];
  readonly force?: boolean;
  readonly tokens?: number;
  readonly window?: number;
  readonly removalTokens?: number;
  readonly removalRows?: number;
  readonly pinned?: number;
  readonly kv?: 'project' | 'absent' | 'alias';
}

const phaseWords = { text: 'Writing text', trace: 'Running the dense model', removal: 'Removing branches' } as const;

/** Measures what dropping each layer and branch costs, and writes it. */
export async function profile(reference: string, options: ProfileVerbOptions, output: Output): Promise<void> {
  // Before minutes of work.
  await checkTarget(options.out, options.force ?? false);
  await withModel({ reference, options: { ...options, adapter: 'none' }, gatesWanted: false }, output, async (opened) => {
    const { generateCalibrationText, profileModel, writeProfile } = await import('@gateskip/train');
    const load = options.threads === undefined ? {} : { threads: options.threads };
    const measured = await withEngine(opened, load, output, async (engine) => {
      const report = ({ phase, done, total }: ProfileProgress | { phase: string; done: number; total: number }): void =>
        output.progress.report(phaseWords[phase as keyof typeof phaseWords] ?? phase, done, total);
      const { tokens = 4096 } = options;
      const text = options.text
        ? await calibrationSequences(opened.model, options.text, tokens, output.signal)
        : await generateCalibrationText({ engine, tokens, onProgress: report, signal: output.signal });
      return profileModel({
        model: opened.model,
        runner: engine.runner,
        sequences: text.sequences,
        description: 'description' in text ? text.description : `${text.tokens} tokens that the dense model wrote itself`,
        options: profileOptions(options),
        onProgress: report,
        signal: output.signal,
      });
    });
    output.signal.throwIfAborted();
    await checkTarget(options.out, options.force ?? false);
    await writeProfile(options.out, measured);
    const { size } = await stat(options.out);
    await output.print(profileTable(measured));
    const { tokens, removalTokens, removalRows } = measured.text;
    output.note(
      `${options.out}: ${grouped(size)} bytes, ${tokens} tokens traced, ${removalTokens} run without each branch, ${removalRows} predictions compared, on backend ${opened.backend.name}`,
    );
    const { meanOutputs: _, ...numbers } = measured;
    await output.document({ out: options.out, sizeBytes: size, ...describeOpenModel(opened), profile: numbers });
  });
}

function profileOptions({ tokens, window, removalTokens, removalRows, pinned, kv }: ProfileVerbOptions): ProfileOptions {
  const given = { tokens, windowTokens: window, removalTokens, removalRows, pinnedTokens: pinned, kv };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as ProfileOptions;
}

function profileTable({ blockInfluence, removalKl, removalTop1, relativeNorms }: ModelProfile): string {
  const rows = blockInfluence.map((influence, layer) => {
    const [attention, mlp] = [2 * layer, 2 * layer + 1];
    const branch = (at: number) => [removalKl[at]!.toFixed(4), percent(removalTop1[at]!), relativeNorms[at]!.toFixed(3)];
    return [String(layer), influence.toFixed(4), ...branch(attention), ...branch(mlp)];
  });
  const heads = ['KL without', 'same top-1', 'norm'];
  return table(
    ['layer', 'influence', ...heads.map((head) => `attention: ${head}`), ...heads.map((head) => `MLP: ${head}`)],
    rows,
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
}
