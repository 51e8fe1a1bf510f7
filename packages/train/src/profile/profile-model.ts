import type { Runner } from '@gateskip/backend';
import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount } from '@gateskip/gate';
import type { Model } from '@gateskip/model';
import { NonFiniteTraceError } from '../errors.js';
import { cutPieces, spread } from '../fit/windows.js';
import { Pacer, type ProfilePhase, type ProfileProgress } from '../progress.js';
import { branchRemoval } from './branch-removal.js';
import { type ModelProfile, PROFILE_FORMAT } from './model-profile.js';
import { type ProfileOptions, resolveProfileOptions } from './profile-options.js';
import { streamStatistics } from './stream-statistics.js';

export interface ProfileRequest {
  readonly model: Model;
  /** The same model on a backend; gates play no part. */
  readonly runner: Runner;
  /** The text, as token sequences. */
  readonly sequences: readonly Int32Array[];
  /** What the text is, in words; kept in the profile. */
  readonly description: string;
  readonly options?: ProfileOptions;
  readonly onProgress?: (progress: ProfileProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Measures what dropping would cost, on a text run through the dense model: block influence per layer (ShortGPT, arXiv
 * 2403.03853), KL of removing each single branch, mean relative norms and mean outputs per branch. Memory is bounded by one
 * window's hidden states or logits, whatever the length of the text.
 *
 * @throws InvalidArgumentError, TooLittleTextError, NonFiniteTraceError, UnsupportedError, AbortedError
 */
export async function profileModel(request: ProfileRequest): Promise<ModelProfile> {
  const { model, runner, sequences, description, signal } = request;
  const { config } = model;
  if (runner.config.layers !== config.layers || runner.config.hiddenSize !== config.hiddenSize)
    throw new InvalidArgumentError('The runner runs another model than the one given.', 'Load this model on the backend.');
  const options = resolveProfileOptions(request.options ?? {}, config);
  const { windowTokens, pinnedTokens, kv } = options;
  const pieces = cutPieces(sequences, { length: windowTokens, needed: 32, vocabularySize: config.vocabularySize });
  const windows = spread(pieces, options.tokens);
  const pacer = new Pacer<ProfilePhase>('Profiling', signal, request.onProgress);
  const stream = await streamStatistics(runner, model, windows, pinnedTokens, pacer, signal);
  const removalWindows = spread(windows, options.removalTokens);
  const removal = await branchRemoval(runner, { windows: removalWindows, rows: options.removalRows, pinnedTokens, kv }, pacer, signal);
  const bad = [...removal.kl, ...stream.relativeNorms].findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new NonFiniteTraceError('measurement', bad % branchCount(config), 0);
  return {
    format: PROFILE_FORMAT,
    model: { name: config.name, fingerprint: model.fingerprint, layers: config.layers, hiddenSize: config.hiddenSize },
    text: {
      description,
      tokens: stream.tokens,
      removalTokens: removal.tokens,
      removalRows: removal.rows,
      windowTokens,
      pinnedTokens,
    },
    blockInfluence: stream.blockInfluence,
    removalKl: removal.kl,
    removalTop1: removal.top1,
    relativeNorms: stream.relativeNorms,
    meanOutputs: stream.meanOutputs,
  };
}
