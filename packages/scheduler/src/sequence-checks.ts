import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { SequenceOrderError } from './errors.js';
import type { Observation, SequenceStart } from './policy.js';

/** @throws InvalidArgumentError unless promptTokens is a non-negative integer */
export function checkStart({ promptTokens }: SequenceStart): void {
  if (!Number.isSafeInteger(promptTokens) || promptTokens < 0) {
    throw new InvalidArgumentError(`promptTokens must be a non-negative integer, got ${promptTokens}.`);
  }
}

/** @throws InvalidArgumentError, SequenceOrderError where the rows do not fit the span at their position */
export function checkRows(what: string, position: number, rows: number, span: number): void {
  if (!Number.isSafeInteger(position) || position < 0)
    throw new InvalidArgumentError(`${what}: position must be a non-negative integer, got ${position}.`);
  if (!Number.isSafeInteger(rows) || rows < 1) throw new InvalidArgumentError(`${what}: rows must be a positive integer, got ${rows}.`);
  if (rows > span) throw new SequenceOrderError(what, `at most ${span} rows at position ${position}`, `${rows}`);
}

/** @throws SequenceOrderError, ShapeMismatchError, InvalidArgumentError */
export function checkObservation(observation: Observation, expectedPosition: number, span: number, branches: number): void {
  const { position, rows, kept, macs, denseMacs } = observation;
  if (position !== expectedPosition) throw new SequenceOrderError('Observation', `position ${expectedPosition}`, `${position}`);
  checkRows('Observation', position, rows, span);
  if (kept.length !== branches) throw new ShapeMismatchError('Kept rows of the observation', [branches], [kept.length]);
  for (let branch = 0; branch < branches; branch++) {
    const count = kept[branch]!;
    if (!(Number.isInteger(count) && count >= 0 && count <= rows)) {
      throw new InvalidArgumentError(`Observation: branch ${branch} kept ${count} of ${rows} rows.`);
    }
  }
  if (!(macs >= 0 && denseMacs >= 0 && Number.isFinite(macs) && Number.isFinite(denseMacs))) {
    throw new InvalidArgumentError(`Observation: MACs must be finite and not negative, got ${macs} of ${denseMacs}.`);
  }
}

/** Flags of the rows that never skip because they are among a sequence's first tokens; undefined where there are none. */
export function pinnedRows(position: number, rows: number, pinnedTokens: number): Uint8Array | undefined {
  if (position >= pinnedTokens) return undefined;
  return new Uint8Array(rows).fill(1, 0, Math.min(rows, pinnedTokens - position));
}
