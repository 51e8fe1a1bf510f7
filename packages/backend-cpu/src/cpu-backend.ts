import { availableParallelism } from 'node:os';
import {
  type Availability,
  type Backend,
  type BackendRequest,
  backboneRefusals,
  type LoadOptions,
  type Runner,
  ruleNeedsScores,
  validateAdapter,
} from '@gateskip/backend';
import { AbortedError, BackendUnavailableError, InsufficientMemoryError, UnsupportedError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';
import { findAddon } from './addon.js';
import { BACKBONE_CHANGES, withNorms } from './backbone-request.js';
import { CpuRunner } from './cpu-runner.js';
import { loadRequest } from './load-request.js';
import { withMergedLora } from './merge-lora.js';
import { typedError } from './native-error.js';
import { loadSettings, repackCacheBytes } from './options.js';
import { evictRepackCache, type RepackCacheRequest, repackCacheRequest } from './repack-cache.js';
import { loadTrainer } from './trainer-load.js';

const PROGRESS_INTERVAL_MS = 50;

/**
 * The native CPU backend: block-format weights times int8 activations, f16 K/V rows behind index tables, skipped branches
 * not computed. The instruction set is chosen at run time (`extra: {isa}` or GATESKIP_CPU_ISA picks one by
 * name); `extra: {kvFormat: 'f32'}` keeps K/V rows in full precision, `'q8'` in int8 with one scale per head;
 * `extra: {repackCache: true}` (or GATESKIP_REPACK_CACHE=1) keeps the packed weights in a file that later loads map,
 * `repackCacheBytes` bounds these files together (8 GiB); `extra: {lora: 'merge'}` writes an adapter's low-rank additions into
 * the weights, rounded to the type that these have, where the default `'carry'` computes them beside.
 */
export const cpuBackend: Backend = {
  name: 'cpu',

  async probe(): Promise<Availability> {
    const found = findAddon();
    if ('reasons' in found) return { available: false, reasons: found.reasons, details: {} };
    const [best = ''] = found.addon.instructionSets();
    return { available: true, reasons: [], details: { instructionSet: best, threads: availableParallelism() } };
  },

  async explain({ rules, scorer, adapter, config }: BackendRequest): Promise<readonly string[]> {
    const found = findAddon();
    const reasons: string[] = 'reasons' in found ? [...found.reasons] : [];
    reasons.push(...backboneRefusals(adapter, BACKBONE_CHANGES));
    if (rules?.includes('exit')) reasons.push('Rule exit is not implemented: a row cannot leave for good.');
    if (scorer === 'gate' && adapter === undefined) reasons.push('Scorer gate needs a gate adapter.');
    if (scorer === 'gate' && adapter?.gates.spec.position === 'after' && rules?.some(ruleNeedsScores)) {
      reasons.push("Gates of position 'after' are known too late to skip; they can only weigh.");
    }
    if (config !== undefined && config.heads % config.kvHeads !== 0) reasons.push('The heads are no multiple of the K/V heads.');
    return reasons;
  },

  async load(model: Model, options: LoadOptions = {}): Promise<Runner> {
    const found = findAddon();
    if ('reasons' in found) throw new BackendUnavailableError('cpu', found.reasons);
    const { config } = model;
    const settings = loadSettings(config, options, found.addon.instructionSets());
    if (options.adapter !== undefined) validateAdapter(config, options.adapter, BACKBONE_CHANGES);
    if (options.signal?.aborted) throw new AbortedError('Loading');
    checkMemory(model);
    const { lora, norms } = options.adapter?.backbone ?? {};
    const isMerged = lora !== undefined && settings.lora === 'merge';
    if (isMerged && options.adapter?.calibration.curve.some(({ loraStrength }) => loraStrength !== undefined)) {
      throw new UnsupportedError(
        'The adapter adds less of its low-rank additions where less is skipped, and what is merged into the weights is always there.',
        "Leave extra.lora at 'carry'.",
        { what: 'extra.lora', got: 'merge' },
      );
    }
    const changed = withNorms(isMerged ? await withMergedLora(model, lora, options) : model, norms);
    const cache: CacheChoice = isMerged
      ? { mostBytes: 0, ...(repackCacheBytes(options) > 0 && { problem: 'not used: merged weights are in no file' }) }
      : await repackCache(model, repackCacheBytes(options), found.addon.packedLayoutVersion);
    if (options.signal?.aborted) throw new AbortedError('Loading');
    let pending: ReturnType<typeof found.addon.load>;
    try {
      pending = found.addon.load(loadRequest(changed, options.adapter, settings, cache.request));
    } catch (error) {
      throw typedError(error);
    }
    const cancel = () => pending.cancel();
    options.signal?.addEventListener('abort', cancel, { once: true });
    const timer = options.onProgress && setInterval(() => options.onProgress?.(pending.progress()), PROGRESS_INTERVAL_MS);
    try {
      const native = await pending.promise;
      if (lora && !isMerged && !(native.details().loraBytes > 0)) {
        native.close();
        throw new BackendUnavailableError('cpu', ['its addon was built from older sources, without low-rank additions: build it again']);
      }
      options.onProgress?.(1);
      if (native.details().repackCache === 'written') await evictRepackCache(cache.mostBytes).catch(() => undefined);
      const details = {
        kvFormat: settings.kvFormat,
        ...(lora && { lora: isMerged ? 'merged' : 'carried' }),
        ...(cache.problem !== undefined && { repackCache: cache.problem }),
      };
      return new CpuRunner(native, config, options.adapter, details);
    } catch (error) {
      throw typedError(error);
    } finally {
      clearInterval(timer);
      options.signal?.removeEventListener('abort', cancel);
    }
  },

  loadTrainer,
};

interface CacheChoice {
  readonly mostBytes: number;
  readonly request?: RepackCacheRequest;
  /** Why there is no request although one is wanted: never a reason not to load. */
  readonly problem?: string;
}

async function repackCache(model: Model, mostBytes: number, layoutVersion: number): Promise<CacheChoice> {
  if (mostBytes === 0) return { mostBytes };
  if (model.sizeBytes > mostBytes) return { mostBytes, problem: `not used: the weights are larger than ${mostBytes} bytes` };
  try {
    return { mostBytes, request: await repackCacheRequest(model, layoutVersion) };
  } catch (error) {
    return { mostBytes, problem: `not used: ${(error as Error).message}` };
  }
}

/** What threads read at once, and buffers around the weights. */
const LOAD_BUFFERS_BYTES = 16 * 2 ** 20;

/** Weights are held once, in packed form, which is as large as the stored one. */
function checkMemory(model: Model): void {
  let needed = LOAD_BUFFERS_BYTES;
  for (const { data } of model.tensors.values()) needed += data.kind === 'file' ? data.sizeBytes : data.bytes.byteLength;
  const available = process.availableMemory();
  if (needed > available) {
    throw new InsufficientMemoryError('Loading the weights', needed, available, 'Take a smaller model or a smaller tensor type.');
  }
}
