import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { branchCount, type GateSet, validateGateSet } from '@gateskip/gate';
import { type GateAdapter, type ModelConfig, tensorShapes } from '@gateskip/model';
import { ContextOverflowError } from './context-overflow-error.js';
import type { Capabilities } from './contract.js';
import type { ParameterGroup, TrainerOptions, TrainStepInput } from './trainer.js';
import type { TrainLoss } from './trainer-loss.js';
import { LAYER_MATRICES } from './trainer-parameters.js';
import { validatePlan } from './validate-plan.js';
import { MAX_TOP_LOGITS } from './validate-step.js';

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
  checkWhole('maxRows', maxRows, 1, MOST_ROWS);
  checkWhole('threads', threads, 1, 4096);
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

function checkWhole(name: string, value: number | undefined, least: number, most: number): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most))
    throw new InvalidArgumentError(`${name} must be an integer in ${least}..${most}, got ${value}.`, '', { what: name, got: value });
}

/** What the checks of a step need to know about a trainer. */
export interface TrainerContext {
  readonly config: ModelConfig;
  readonly gates: GateSet | undefined;
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
 * @throws InvalidArgumentError, ShapeMismatchError, UnsupportedError, ContextOverflowError
 */
export function validateTrainStep(input: TrainStepInput, context: TrainerContext): PreparedTrainStep {
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
  const wanted = input.want?.logits;
  if (wanted !== undefined) {
    if (!(wanted instanceof Int32Array)) throw new InvalidArgumentError('want.logits must be an Int32Array of rows.');
    for (const [i, row] of wanted.entries()) {
      if (row < 0 || row >= rows || (i > 0 && row <= wanted[i - 1]!))
        throw new InvalidArgumentError(`want.logits must name rows in 0..${rows - 1}, ascending; entry ${i} is ${row}.`);
    }
  }
  return { rows, positions, segmentStart, ...validateLoss(input.loss, rows, input, context) };
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
}

function validateLoss(loss: TrainLoss, rows: number, input: TrainStepInput, context: TrainerContext) {
  const { config } = context;
  if (loss === null || typeof loss !== 'object' || !(loss.crossEntropy ?? loss.teacher ?? loss.gates))
    throw new InvalidArgumentError('A training step needs a loss of at least one part.', 'Give crossEntropy, teacher or gates.');
  const { rowWeights, crossEntropy, teacher } = loss;
  if (rowWeights !== undefined) {
    checkArray('rowWeights', rowWeights, Float32Array, rows);
    for (const [row, weight] of rowWeights.entries()) {
      if (!(weight >= 0 && Number.isFinite(weight))) throw new InvalidArgumentError(`rowWeights: row ${row} has ${weight}.`);
    }
  }
  const weightOf = (row: number) => rowWeights?.[row] ?? 1;
  if (crossEntropy !== undefined) {
    checkArray('crossEntropy.targets', crossEntropy.targets, Int32Array, rows);
    checkTokens('crossEntropy.targets', crossEntropy.targets, -1, config.vocabularySize);
    checkPart('crossEntropy', crossEntropy);
  }
  if (teacher !== undefined) {
    checkWhole('teacher.count', teacher.count, 1, Math.min(MAX_TOP_LOGITS, config.vocabularySize));
    checkArray('teacher.tokens', teacher.tokens, Int32Array, rows * teacher.count);
    checkArray('teacher.logProbabilities', teacher.logProbabilities, Float32Array, rows * teacher.count);
    checkArray('teacher.tailMass', teacher.tailMass, Float32Array, rows);
    checkPart('teacher', teacher);
    for (let row = 0; row < rows; row++) if (weightOf(row) > 0) checkTeacherRow(teacher, row, config.vocabularySize);
  }
  const share = (counts: (row: number) => boolean, given: number | undefined) => {
    const weights = Float64Array.from({ length: rows }, (_, row) => (counts(row) ? weightOf(row) : 0));
    const divisor = given ?? weights.reduce((sum, weight) => sum + weight, 0);
    return divisor === 0 ? weights.fill(0) : weights.map((weight) => weight / divisor);
  };
  const crossEntropyShare = share((row) => crossEntropy !== undefined && crossEntropy.targets[row]! >= 0, crossEntropy?.divisor);
  const teacherShare = share(() => teacher !== undefined, teacher?.divisor);
  const all = Int32Array.from({ length: rows }, (_, row) => row);
  return {
    lossRows: all.filter((row) => crossEntropyShare[row]! > 0 || teacherShare[row]! > 0),
    crossEntropyShare,
    teacherShare,
    regularised: validateRegulariser(loss, rows, input, context),
  };
}

function validateRegulariser(loss: TrainLoss, rows: number, input: TrainStepInput, context: TrainerContext): readonly number[] {
  const { gates } = loss;
  if (gates === undefined) return [];
  const branches = branchCount(context.config);
  if (input.plan.scorer !== 'gate')
    throw new InvalidArgumentError(`A gate loss needs scorer gate, the plan's scorer is ${input.plan.scorer}.`);
  if (!['l2', 'l1', 'density'].includes(gates.kind)) throw new InvalidArgumentError(`Gate loss ${String(gates.kind)} is not known.`);
  if (gates.kind === 'density' && !(gates.density !== undefined && gates.density >= 0 && gates.density <= 1))
    throw new InvalidArgumentError(`gates.density must be in 0..1, got ${gates.density}.`);
  checkPart('gates', gates);
  if (gates.rows !== undefined) checkArray('gates.rows', gates.rows, Uint8Array, rows);
  const usable = Array.from({ length: branches }, (_, branch) => branch).filter((branch) => input.plan.rules[branch] !== 'repeat');
  if (gates.branches === undefined) return usable;
  for (const [i, branch] of gates.branches.entries()) {
    if (!usable.includes(branch) || (i > 0 && branch <= gates.branches[i - 1]!))
      throw new InvalidArgumentError(`gates.branches: ${branch} is not a branch that counts, or not in ascending order.`);
  }
  return gates.branches;
}

function checkPart(name: string, part: { readonly weight: number; readonly divisor?: number }): void {
  if (!Number.isFinite(part.weight)) throw new InvalidArgumentError(`${name}.weight must be finite, got ${part.weight}.`);
  if (part.divisor !== undefined && !(part.divisor > 0 && Number.isFinite(part.divisor)))
    throw new InvalidArgumentError(`${name}.divisor must be above 0, got ${part.divisor}.`);
}

/** Log-probabilities are rounded on their way here: a mass this far from 1 is another thing than rounding. */
const MASS_MARGIN = 0.01;

function checkTeacherRow(teacher: NonNullable<TrainLoss['teacher']>, row: number, vocabularySize: number): void {
  const tail = teacher.tailMass[row]!;
  if (!(tail >= 0 && tail <= 1)) throw new InvalidArgumentError(`teacher.tailMass: row ${row} has ${tail}, not in 0..1.`);
  const seen = new Set<number>();
  let mass = tail;
  for (let i = row * teacher.count; i < (row + 1) * teacher.count; i++) {
    const token = teacher.tokens[i]!;
    const logProbability = teacher.logProbabilities[i]!;
    if (token < 0 || token >= vocabularySize || seen.has(token))
      throw new InvalidArgumentError(
        `teacher.tokens: row ${row} names token ${token} twice, or it is outside the vocabulary of ${vocabularySize}.`,
      );
    seen.add(token);
    if (!(logProbability <= 0)) throw new InvalidArgumentError(`teacher.logProbabilities: row ${row} has ${logProbability}, above 0.`);
    mass += Math.exp(logProbability);
  }
  if (!(Math.abs(mass - 1) <= MASS_MARGIN))
    throw new InvalidArgumentError(`The teacher's probabilities and tail of row ${row} sum to ${mass}, not to 1.`);
}

function checkArray(
  name: string,
  array: unknown,
  type: Int32ArrayConstructor | Float32ArrayConstructor | Uint8ArrayConstructor,
  length: number,
): void {
  if (!(array instanceof type)) throw new InvalidArgumentError(`${name} must be of type ${type.name}.`);
  if (array.length !== length) throw new ShapeMismatchError(name, [length], [array.length]);
}

function checkTokens(name: string, values: Int32Array, least: number, end: number): void {
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value < least || value >= end)
      throw new InvalidArgumentError(`${name}: row ${row} has ${value}, outside ${least}..${end - 1}.`, '', {
        what: name,
        row,
        got: value,
      });
  }
}
