import { DEFAULT_MAX_TRAIN_ROWS, type Trainer, type TrainerOptions, validateTrainerOptions } from '@gateskip/backend';
import { AbortedError, BackendUnavailableError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';
import { findAddon } from './addon.js';
import { typedError } from './native-error.js';
import { trainerSettings } from './options.js';
import { CpuTrainer } from './trainer.js';
import { trainerLoad } from './trainer-load-request.js';
import { checkTrainerMemory } from './trainer-memory.js';

const PROGRESS_INTERVAL_MS = 50;

/** Reads the model into float32 and lays out what is trained in memory that both sides see. */
export async function loadTrainer(model: Model, options: TrainerOptions): Promise<Trainer> {
  const found = findAddon();
  if ('reasons' in found) throw new BackendUnavailableError('cpu', found.reasons);
  const { config } = model;
  const settings = trainerSettings(options, found.addon.instructionSets());
  validateTrainerOptions(config, options);
  if (options.signal?.aborted) throw new AbortedError('Loading');
  checkTrainerMemory(model, options);
  const { request, parameters, gates } = trainerLoad(model, options, settings);
  let pending: ReturnType<typeof found.addon.loadTrainer>;
  try {
    pending = found.addon.loadTrainer(request);
  } catch (error) {
    throw typedError(error);
  }
  const cancel = () => pending.cancel();
  options.signal?.addEventListener('abort', cancel, { once: true });
  const timer = options.onProgress && setInterval(() => options.onProgress?.(pending.progress()), PROGRESS_INTERVAL_MS);
  try {
    const native = await pending.promise;
    options.onProgress?.(1);
    const { maxRows = DEFAULT_MAX_TRAIN_ROWS, detachGateInput = true, recompute = false } = options;
    return new CpuTrainer({ native, config, gates, parameters, maxRows, detachGateInput, recompute });
  } catch (error) {
    throw typedError(error);
  } finally {
    clearInterval(timer);
    options.signal?.removeEventListener('abort', cancel);
  }
}
