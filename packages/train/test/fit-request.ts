import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel } from '@gateskip/model';
import type { FitOptions, FitRequest } from '../src/index.js';

/** A model of four layers whose MLPs differ in size, and text of random words that repeat. */
export function fitRequest(options: FitOptions = {}, more: Partial<FitRequest> = {}): FitRequest {
  const model = createRandomModel({
    seed: 5,
    config: { layers: 4, hiddenSize: 32, heads: 2, kvHeads: 1, headSize: 16, intermediateSize: 48 },
  });
  return {
    model,
    backend: referenceBackend,
    sequences: randomSequences(12, 48, model.config.vocabularySize),
    name: 'test',
    provenance: { method: 'fit', command: 'test', data: 'random tokens', license: 'CC0-1.0', created: '2026-01-01', version: '0.1.0' },
    options: {
      weightTokens: 48,
      curveTokens: 300,
      qualityRows: 40,
      maxIterations: 20,
      curveShares: [0.05, 0.15, 0.3, 0.5, 0.7, 0.9],
      ...options,
    },
    ...more,
  };
}

export function randomSequences(count: number, length: number, vocabularySize: number, seed = 1): Int32Array[] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, () => Int32Array.from({ length }, () => Math.floor(next() ** 2 * vocabularySize)));
}

/** The reference backend, and how many of its runners and trainers are open. */
export function countedBackend(): { readonly backend: typeof referenceBackend; readonly open: () => number } {
  let open = 0;
  const counted = <T extends { close(): Promise<void> }>(opened: T): T => {
    open++;
    const close = opened.close.bind(opened);
    opened.close = () => {
      open--;
      return close();
    };
    return opened;
  };
  const backend = {
    ...referenceBackend,
    load: async (...parameters: Parameters<typeof referenceBackend.load>) => counted(await referenceBackend.load(...parameters)),
    loadTrainer: async (...parameters: Parameters<NonNullable<typeof referenceBackend.loadTrainer>>) =>
      counted(await referenceBackend.loadTrainer!(...parameters)),
  };
  return { backend, open: () => open };
}
