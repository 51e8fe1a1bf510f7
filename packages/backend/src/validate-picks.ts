import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import type { LogitPicks } from './contract.js';

/** Bounds what a step gives back beside its rows. */
export const MAX_PICKS = 1 << 20;

/** @throws InvalidArgumentError, ShapeMismatchError */
export function validatePicks(picks: LogitPicks, outputCount: number, vocabularySize: number): void {
  if (picks === null || typeof picks !== 'object' || !(picks.outputs instanceof Int32Array) || !(picks.tokens instanceof Int32Array))
    throw new InvalidArgumentError('picks need their outputs and their tokens as Int32Arrays.');
  const { outputs, tokens } = picks;
  if (tokens.length !== outputs.length)
    throw new ShapeMismatchError('picks.tokens', [outputs.length], [tokens.length], 'Name a token for every output.');
  if (outputs.length > MAX_PICKS)
    throw new InvalidArgumentError(`${outputs.length} picks are over the limit of ${MAX_PICKS}.`, 'Cut the step into several steps.');
  let previous = 0;
  for (let index = 0; index < outputs.length; index++) {
    const output = outputs[index] as number;
    const token = tokens[index] as number;
    if (output < previous || output >= outputCount)
      throw new InvalidArgumentError(
        `Pick ${index}: output ${output} after ${previous} of ${outputCount}.`,
        "Picks name places in the step's outputs and never descend.",
      );
    if (token < 0 || token >= vocabularySize)
      throw new InvalidArgumentError(`Pick ${index}: token ${token} is outside the vocabulary of ${vocabularySize}.`, '', {
        expected: vocabularySize,
        got: token,
      });
    previous = output;
  }
}
