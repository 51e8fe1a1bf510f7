import { InvalidArgumentError } from '@gateskip/errors';
import type { Plan } from '@gateskip/gate';
import { ContextOverflowError } from './context-overflow-error.js';
import type { SequenceId, StepInput } from './contract.js';
import { validatePicks } from './validate-picks.js';
import { type PlanContext, validatePlan } from './validate-plan.js';

/** What step validation needs to know about a runner and its sequences. */
export interface RunnerState extends PlanContext {
  /** Tokens of an open sequence; undefined where there is none of that id. */
  lengthOf(sequence: SequenceId): number | undefined;
  /** Most rows of one step; default {@link DEFAULT_MAX_ROWS}. */
  readonly maxRows?: number;
}

/** Bounds a step's buffers; callers cut longer prompts into chunks. */
export const DEFAULT_MAX_ROWS = 65536;
export const MAX_TOP_LOGITS = 1024;

/** What the checks found. */
export interface CheckedStep {
  readonly rows: number;
  /** How many logits per output row are returned: the vocabulary, or the count of `topLogits` (at most the vocabulary). */
  readonly topCount: number | undefined;
}

/** A checked step, by row. */
export interface PreparedStep extends CheckedStep {
  /** Position of each row in its sequence: [R]. */
  readonly positions: Int32Array;
  /** Plan of each row: [R]. */
  readonly planOfRow: Int32Array;
  /** Segment of each row: [R]. */
  readonly segmentOfRow: Int32Array;
}

/**
 * The checks that every backend makes before a step changes anything, in one place so that all throw the same errors.
 * After it returns, indices and lengths need no further checks.
 *
 * @throws InvalidArgumentError, ShapeMismatchError, UnsupportedError, ContextOverflowError
 */
export function validateStep(input: StepInput, plans: readonly Plan[], state: RunnerState): PreparedStep {
  const { rows, topCount } = checkStep(input, plans, state);
  const positions = new Int32Array(rows);
  const planOfRow = new Int32Array(rows);
  const segmentOfRow = new Int32Array(rows);
  for (const [index, { sequence, start, length, plan }] of input.segments.entries()) {
    const before = state.lengthOf(sequence) ?? 0;
    for (let i = 0; i < length; i++) {
      positions[start + i] = before + i;
      planOfRow[start + i] = plan;
      segmentOfRow[start + i] = index;
    }
  }
  return { rows, positions, planOfRow, segmentOfRow, topCount };
}

/** The checks of {@link validateStep} alone, for backends that find each row's place themselves. */
export function checkStep(input: StepInput, plans: readonly Plan[], state: RunnerState): CheckedStep {
  const rows = validateTokens(input, state);
  validateSegments(input, plans, rows, state);
  validateOutputs(input.outputs, rows);
  if (input.picks !== undefined) validatePicks(input.picks, input.outputs.length, state.config.vocabularySize);
  for (let index = 0; index < plans.length; index++) validatePlan(plans[index] as Plan, index, rows, state);
  return { rows, topCount: topCount(input.topLogits, state.config.vocabularySize) };
}

function validateTokens(input: StepInput, state: RunnerState): number {
  if (input === null || typeof input !== 'object' || !(input.tokens instanceof Int32Array)) {
    throw new InvalidArgumentError('A step needs its tokens as an Int32Array.');
  }
  const { tokens } = input;
  const maxRows = state.maxRows ?? DEFAULT_MAX_ROWS;
  if (tokens.length < 1) throw new InvalidArgumentError('A step needs at least 1 row.');
  if (tokens.length > maxRows)
    throw new InvalidArgumentError(`A step of ${tokens.length} rows is over the limit of ${maxRows}.`, 'Cut it into several steps.');
  const { vocabularySize } = state.config;
  for (let row = 0; row < tokens.length; row++) {
    const token = tokens[row]!;
    if (token < 0 || token >= vocabularySize) {
      throw new InvalidArgumentError(`Row ${row}: token ${token} is outside the vocabulary of ${vocabularySize}.`, '', {
        expected: vocabularySize,
        got: token,
      });
    }
  }
  return tokens.length;
}

function validateSegments(input: StepInput, plans: readonly Plan[], rows: number, state: RunnerState): void {
  const { segments } = input;
  if (!Array.isArray(segments)) throw new InvalidArgumentError('A step needs an array of segments.');
  if (!Array.isArray(plans) || plans.length < 1) throw new InvalidArgumentError('A step needs at least 1 plan.');
  if (plans.length > rows + DEFAULT_MAX_ROWS) throw new InvalidArgumentError(`${plans.length} plans are too many for ${rows} rows.`);
  // One segment, as in most steps of one user, cannot repeat a sequence.
  const seen = segments.length > 1 ? new Set<SequenceId>() : undefined;
  let next = 0;
  for (let index = 0; index < segments.length; index++) {
    const segment = segments[index];
    if (segment === null || typeof segment !== 'object') throw new InvalidArgumentError(`Segment ${index} is not an object.`);
    const { sequence, start, length, plan } = segment;
    if (start !== next)
      throw new InvalidArgumentError(
        `Segment ${index} starts at row ${start}, expected ${next}.`,
        'Segments cover the rows in order without gaps.',
      );
    if (!Number.isInteger(length) || length < 1 || start + length > rows) {
      throw new InvalidArgumentError(`Segment ${index} has ${length} rows from ${start}, the step has ${rows}.`);
    }
    if (!Number.isInteger(plan) || plan < 0 || plan >= plans.length)
      throw new InvalidArgumentError(`Segment ${index} names plan ${plan} of ${plans.length}.`);
    const before = state.lengthOf(sequence);
    if (before === undefined) throw new InvalidArgumentError(`Segment ${index}: sequence ${sequence} is not open.`, '', { got: sequence });
    if (seen?.has(sequence))
      throw new InvalidArgumentError(`Segment ${index}: sequence ${sequence} is already in this step.`, 'Give each sequence one segment.');
    if (before + length > state.config.contextLength) throw new ContextOverflowError(sequence, before, length, state.config.contextLength);
    seen?.add(sequence);
    next = start + length;
  }
  if (next !== rows)
    throw new InvalidArgumentError(`The segments cover ${next} of ${rows} rows.`, 'Segments cover the rows in order without gaps.');
}

function validateOutputs(outputs: Int32Array, rows: number): void {
  if (!(outputs instanceof Int32Array)) throw new InvalidArgumentError('A step needs its output rows as an Int32Array.');
  let previous = -1;
  for (let index = 0; index < outputs.length; index++) {
    const row = outputs[index] as number;
    if (row <= previous || row >= rows)
      throw new InvalidArgumentError(
        `Output row ${row} after ${previous} of ${rows} rows.`,
        'Output rows must ascend and be rows of the step.',
      );
    previous = row;
  }
}

function topCount(topLogits: number | undefined, vocabularySize: number): number | undefined {
  if (topLogits === undefined) return undefined;
  if (!Number.isInteger(topLogits) || topLogits < 1 || topLogits > MAX_TOP_LOGITS) {
    throw new InvalidArgumentError(`topLogits must be an integer in 1..${MAX_TOP_LOGITS}, got ${topLogits}.`);
  }
  return Math.min(topLogits, vocabularySize);
}
