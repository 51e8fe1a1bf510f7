import type { Runner } from '@gateskip/backend';
import { AbortedError, InsufficientMemoryError, ShapeMismatchError } from '@gateskip/errors';
import { branchCount } from '@gateskip/gate';
import { denseTrace } from './dense-trace.js';

export interface UpdateScoresRequest {
  readonly runner: Runner;
  /** The very text that an oracle will skip in. */
  readonly tokens: Int32Array;
  /** What a skipping token gets instead, [2L, d]: its distance from the true update is scored. Default: nothing. */
  readonly standIns?: Float32Array;
  readonly signal?: AbortSignal;
}

/** Scores kept at most, bytes. */
const MOST_BYTES = 2 ** 30;

/**
 * The true squared relative norm of every branch's update for every token, `||output||^2 / ||stream before it||^2`, from one
 * dense pass: what policy `oracle` ranks. With stand-ins, of `output - stand-in`. The norms are of the dense stream; under
 * skipping the stream is another.
 *
 * @returns [2L, tokens]
 * @throws InsufficientMemoryError, NonFiniteTraceError, AbortedError
 */
export async function updateScores({ runner, tokens, standIns, signal }: UpdateScoresRequest): Promise<Float32Array> {
  const branches = branchCount(runner.config);
  const d = runner.config.hiddenSize;
  const bytes = 4 * branches * tokens.length;
  if (bytes > MOST_BYTES)
    throw new InsufficientMemoryError(`Scores of ${tokens.length} tokens`, bytes, MOST_BYTES, 'Cut the text into shorter pieces.');
  if (standIns !== undefined && standIns.length !== branches * d)
    throw new ShapeMismatchError('Stand-ins', [branches, d], [standIns.length]);
  const scores = new Float32Array(branches * tokens.length);
  for await (const { start, rows, outputs, streamSquaredNorms } of denseTrace(runner, tokens, signal)) {
    for (let branch = 0; branch < branches; branch++) {
      for (let row = 0; row < rows; row++) {
        const from = (branch * rows + row) * d;
        let squared = 0;
        for (let i = 0; i < d; i++) squared += (outputs[from + i]! - (standIns?.[branch * d + i] ?? 0)) ** 2;
        scores[branch * tokens.length + start + row] = squared / streamSquaredNorms[branch * rows + row]!;
      }
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (signal?.aborted) throw new AbortedError('Scoring the updates');
  }
  return scores;
}
