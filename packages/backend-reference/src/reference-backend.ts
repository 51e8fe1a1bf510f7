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
import { InvalidArgumentError } from '@gateskip/errors';
import { type Model, rotaryFrequencies } from '@gateskip/model';
import { changeWeights } from './change-weights.js';
import { KvPool } from './kv-pool.js';
import { BACKBONE_CHANGES, ReferenceRunner } from './runner.js';
import { loadTrainer } from './training/load-trainer.js';
import { readWeights } from './weights.js';

/**
 * The backend that defines what is right: plain TypeScript in double precision over dequantised weights, one row at a
 * time. It runs everywhere and is slow; use it to check others, not to serve.
 */
export const referenceBackend: Backend = {
  name: 'reference',

  async probe(): Promise<Availability> {
    return { available: true, reasons: [], details: { precision: 'float64', threads: 1 } };
  },

  async explain(request: BackendRequest): Promise<readonly string[]> {
    const reasons = backboneRefusals(request.adapter, BACKBONE_CHANGES);
    if (request.rules?.includes('exit')) reasons.push('Rule exit is not implemented: a row cannot leave for good.');
    if (request.scorer === 'gate' && request.adapter === undefined) reasons.push('Scorer gate needs a gate adapter.');
    if (request.scorer === 'gate' && request.adapter?.gates.spec.position === 'after' && request.rules?.some(ruleNeedsScores)) {
      reasons.push("Gates of position 'after' are known too late to skip; they can only weigh.");
    }
    return reasons;
  },

  async load(model: Model, options: LoadOptions = {}): Promise<Runner> {
    const { config } = model;
    const unknown = Object.keys(options.extra ?? {});
    if (unknown.length > 0)
      throw new InvalidArgumentError(`Option ${unknown.join(', ')} is not known to the reference backend.`, 'It has no extra options.');
    const maxTokens = options.maxTokens ?? 8 * config.contextLength;
    if (!Number.isSafeInteger(maxTokens) || maxTokens < 1)
      throw new InvalidArgumentError(`maxTokens must be a positive integer, got ${maxTokens}.`);
    if (options.adapter !== undefined) validateAdapter(config, options.adapter, BACKBONE_CHANGES);
    const weights = changeWeights(await readWeights(model, options.onProgress, options.signal), options.adapter?.backbone);
    const pool = new KvPool(config.layers, config.kvHeads * config.headSize, maxTokens);
    return new ReferenceRunner(
      {
        config,
        weights,
        gates: options.adapter?.gates,
        lora: options.adapter?.backbone?.lora,
        frequencies: rotaryFrequencies(config),
        pool,
      },
      options.adapter,
    );
  },

  loadTrainer,
};
