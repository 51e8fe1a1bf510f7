import type { ModelConfig } from '@gateskip/model';
import { checkTraceMemory } from './collect-traces.js';
import type { ResolvedFitOptions } from './fit-options.js';
import { cutWindows, type Windows } from './windows.js';

/** Hidden states must cover the space they are regressed in, else R² says nothing. */
const NEEDED_TOKENS_PER_DIMENSION = 1;
const LEAST_TOKENS = 256;

/**
 * The windows whose hidden states are kept.
 *
 * @param states hidden states kept of each branch
 * @throws TooLittleTextError, InsufficientMemoryError before anything is run
 */
export function cutTraceWindows(sequences: readonly Int32Array[], config: ModelConfig, options: ResolvedFitOptions, states = 2): Windows {
  const windows = cutWindows(sequences, {
    length: options.windowTokens,
    wanted: options.tokens,
    needed: Math.max(LEAST_TOKENS, NEEDED_TOKENS_PER_DIMENSION * config.hiddenSize),
    heldOutShare: options.heldOutShare,
    vocabularySize: config.vocabularySize,
  });
  checkTraceMemory(config, windows.tokens, options.memoryBytes, states);
  return windows;
}
