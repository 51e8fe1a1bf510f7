import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { branchCount, type GateSet, validateGateSet } from '@gateskip/gate';
import { type GateAdapter, type ModelConfig, tensorShapes } from '@gateskip/model';
import { ContextOverflowError } from './context-overflow-error.js';
import type { Capabilities } from './contract.js';
import type { ParameterGroup, TrainerOptions, TrainStepInput } from './trainer.js';
import { checkArray, checkTokens, checkWhole } from './trainer-checks.js';
import { validateTrainLoss } from './trainer-loss-validation.js';
import { LAYER_MATRICES } from './trainer-parameters.js';
import { validatePlan } from './validate-plan.js';

const GROUPS: readonly ParameterGroup[] = ['gates', 'standIns', 'lora', 'norms', 'backbone'];
const HIGHEST_RANK = 512;
const MOST_ROWS = 65536;
/** Default of `TrainerOptions.maxRows`. */
export const DEFAULT_MAX_TRAIN_ROWS = 4096;

/** @throws InvalidArgumentError, ShapeMismatchError, GateNotFiniteError, UnsupportedError */
export function validateTrainerOptions(config: ModelConfig, options: TrainerOptions): void {
  const { gates, lora, trainable, maxRows, threads } = options;
  if (!Array.isArray(trainable)) throw new InvalidArgumentError('trainable must be an array of parameter groups.');
  for (const [i, group] of trainable.entries()) {
    if (!GROUPS.includes(group) || trainable.indexOf(group) !== i)
      throw new InvalidArgumentError(`Parameter group ${String(group)} is not known or named twice.`, `Known: ${GROUPS.join(', ')}.`);
  }
  if (gates !== undefined) validateGateSet(gates, config);
  for (const group of ['gates', 'standIns'] as const) {
    if (trainable.includes(group) && gates === undefined)
      throw new InvalidArgumentError(`There are no gates, so ${group} cannot be trained.`, 'Give gates, for example by createGateSet.');
  }
  if (trainable.includes('lora') && lora === undefined)
    throw new InvalidArgumentError('lora is to be trained, but its rank and matrices are not given.', 'Give lora.');
  if (lora !== undefined) validateLora(config, lora);
  if (maxRows !== undefined) checkWhole('maxRows', maxRows, 1, MOST_ROWS);
  if (threads !== undefined) checkWhole('threads', threads, 1, 4096);
  for (const name of ['detachGateInput', 'recompute'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'boolean') throw new InvalidArgumentError(`${name} must be true or false.`);
  }
}

function validateLora(config: ModelConfig, lora: NonNullable<TrainerOptions['lora']>): void {
  const shapes = tensorShapes(config);
  if (!Array.isArray(lora.matrices) || lora.matrices.length === 0) throw new InvalidArgumentError('lora.matrices must name a matrix.');
  let highest = HIGHEST_RANK;
  for (const [i, matrix] of lora.matrices.entries()) {
    if (!LAYER_MATRICES.includes(matrix) || lora.matrices.indexOf(matrix) !== i)
      throw new InvalidArgumentError(`Matrix ${String(matrix)} is not known or named twice.`, `Known: ${LAYER_MATRICES.join(', ')}.`);
    highest = Math.min(highest, ...shapes.get(`layers.0.${matrix}`)!);
  }
  checkWhole('lora.rank', lora.rank, 1, highest);
  if (!(Number.isFinite(lora.alpha) && lora.alpha > 0)) throw new InvalidArgumentError(`lora.alpha must be above 0, got ${lora.alpha}.`);
  if (!(Number.isInteger(lora.seed) && lora.seed >= 0 && lora.seed <= 0xffffffff))
    throw new InvalidArgumentError(`lora.seed must be an integer in 0..4294967295, got ${lora.seed}.`);
}

/** What the checks of a step need to know about a trainer. */
export interface TrainerContext {
  readonly config: ModelConfig;
  readonly gates: GateSet | undefined;
  readonly detachGateInput: boolean;
  /** Whether gates are among what is trained. */
  readonly trainsGates: boolean;
  readonly capabilities: Pick<Capabilities, 'rules' | 'scorers' | 'kvModes'>;
  readonly maxRows: number;
}

/** A checked training step, by row. */
export interface PreparedTrainStep {
  readonly rows: number;
  /** [N] */
  readonly positions: Int32Array;
  /** First row of each row's segment: [N]. */
  readonly segmentStart: Int32Array;
  /** Rows that a token loss counts, ascending. */
  readonly lossRows: Int32Array;
  /** Weight of each row in the cross-entropy, its own weight and divisor included; 0 = does not count: [N]. */
  readonly crossEntropyShare: Float64Array;
  /** The same for the teacher: [N]. */
  readonly teacherShare: Float64Array;
  /** Branches that the gate regulariser counts. */
  readonly regularised: readonly number[];
}

/**
 * The checks that every trainer makes before a step computes anything, in one place so that all throw the same errors.
 * The shares are `rowWeight / divisor`, without the weight of the part.
 *
 * @param withGradients whether this is `step`, not `evaluate`
 * @throws InvalidArgumentError, ShapeMismatchError, UnsupportedError, ContextOverflowError
 */
export function validateTrainStep(input: TrainStepInput, context: TrainerContext, withGradients: boolean): PreparedTrainStep {
  const { config } = context;
  if (input === null || typeof input !== 'object' || !(input.tokens instanceof Int32Array))
    throw new InvalidArgumentError('A training step needs its tokens as an Int32Array.');
  const rows = input.tokens.length;
  if (rows < 1) throw new InvalidArgumentError('A training step needs at least 1 row.');
  if (rows > context.maxRows)
    throw new InvalidArgumentError(
      `A training step of ${rows} rows is over the limit of ${context.maxRows}.`,
      'Cut it into micro-batches.',
    );
  checkTokens('tokens', input.tokens, 0, config.vocabularySize);
  const { positions, segmentStart } = validateSegments(input, rows, config);
  validateTrainPlan(input, rows, context);
  if (input.want?.gains === true && !(withGradients && context.trainsGates && input.straightThrough !== undefined))
    throw new InvalidArgumentError(
      'want.gains needs a backward pass with straightThrough, and gates that are trained.',
      'Call step, with straightThrough, on a trainer whose trainable names gates.',
      { what: 'want.gains' },
    );
  const wanted = input.want?.logits;
  if (wanted !== undefined) {
    if (!(wanted instanceof Int32Array)) throw new InvalidArgumentError('want.logits must be an Int32Array of rows.');
    for (const [i, row] of wanted.entries()) {
      if (row < 0 || row >= rows || (i > 0 && row <= wanted[i - 1]!))
        throw new InvalidArgumentError(`want.logits must name rows in 0..${rows - 1}, ascending; entry ${i} is ${row}.`);
    }
  }
  return { rows, positions, segmentStart, ...validateTrainLoss(input.loss, rows, input.plan, config) };
}

function validateSegments(input: TrainStepInput, rows: number, config: ModelConfig) {
  const { segmentLengths, positions: given } = input;
  if (!(segmentLengths instanceof Int32Array)) throw new InvalidArgumentError('segmentLengths must be an Int32Array.');
  if (given !== undefined) checkArray('positions', given, Int32Array, rows);
  const positions = given ?? new Int32Array(rows);
  const segmentStart = new Int32Array(rows);
  let start = 0;
  for (const [segment, length] of segmentLengths.entries()) {
    if (length < 1 || start + length > rows)
      throw new InvalidArgumentError(`Segment ${segment} of ${length} rows at row ${start} does not fit ${rows} rows.`);
    if (length > config.contextLength) throw new ContextOverflowError(segment, 0, length, config.contextLength);
    for (let row = start; row < start + length; row++) {
      segmentStart[row] = start;
      if (given === undefined) positions[row] = row - start;
    }
    start += length;
  }
  if (start !== rows) throw new ShapeMismatchError('Sum of segmentLengths', rows, start, 'Cover all rows.');
  checkTokens('positions', positions, 0, config.contextLength);
  return { positions, segmentStart };
}

function validateTrainPlan(input: TrainStepInput, rows: number, context: TrainerContext): void {
  const { plan, straightThrough } = input;
  // Plan checks ask an adapter for its gates alone.
  const adapter = context.gates === undefined ? undefined : ({ gates: context.gates } as GateAdapter);
  validatePlan(plan, 0, rows, { config: context.config, adapter, capabilities: context.capabilities });
  for (const [branch, rule] of plan.rules.entries()) {
    if (rule === 'repeat' && plan.values[branch]! > 1)
      throw new UnsupportedError(`Branch ${branch}: repeating a branch cannot be trained.`, 'Use repeat with 0 or 1.', { got: 2 });
  }
  const temperature = straightThrough?.temperature;
  if (temperature !== undefined && !(temperature > 0 && Number.isFinite(temperature)))
    throw new InvalidArgumentError(`straightThrough.temperature must be above 0, got ${temperature}.`);
  const taught = straightThrough?.taught;
  if (taught !== undefined && taught !== 'all' && taught !== 'skipped')
    throw new InvalidArgumentError(`straightThrough.taught must be all or skipped, got ${String(taught)}.`);
  if (straightThrough?.savings !== undefined) validateSavings(straightThrough.savings, context);
}

/** Gradients of scores that are held follow after the backward of all branches: nothing of them can flow further. */
function validateSavings(savings: Float64Array, { config, gates, detachGateInput }: TrainerContext): void {
  checkArray('straightThrough.savings', savings, Float64Array, branchCount(config));
  for (const [branch, saving] of savings.entries()) {
    if (!(saving >= 0 && Number.isFinite(saving)))
      throw new InvalidArgumentError(`straightThrough.savings must be 0 or more, branch ${branch} has ${saving}.`);
  }
  if (detachGateInput && gates?.spec.position !== 'after') return;
  throw new UnsupportedError(
    'A held budget (straightThrough.savings) needs gates before their branch whose input is detached.',
    'Leave savings out, or load the trainer with detachGateInput.',
    { got: { position: gates?.spec.position, detachGateInput } },
  );
}
