import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, type Plan } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import { checkArray, checkTokens, checkWhole } from './trainer-checks.js';
import type { TrainLoss } from './trainer-loss.js';
import { MAX_TOP_LOGITS } from './validate-step.js';

/** Checks the parts of a loss; what `PreparedTrainStep` says of it. @throws InvalidArgumentError, ShapeMismatchError */
export function validateTrainLoss(loss: TrainLoss, rows: number, plan: Plan, config: ModelConfig) {
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
    regularised: validateRegulariser(loss, rows, plan, config),
  };
}

function validateRegulariser(loss: TrainLoss, rows: number, plan: Plan, config: ModelConfig): readonly number[] {
  const { gates } = loss;
  if (gates === undefined) return [];
  const branches = branchCount(config);
  if (plan.scorer !== 'gate') throw new InvalidArgumentError(`A gate loss needs scorer gate, the plan's scorer is ${plan.scorer}.`);
  if (!['l2', 'l1', 'density'].includes(gates.kind)) throw new InvalidArgumentError(`Gate loss ${String(gates.kind)} is not known.`);
  if (gates.kind === 'density' && !(gates.density !== undefined && gates.density >= 0 && gates.density <= 1))
    throw new InvalidArgumentError(`gates.density must be in 0..1, got ${gates.density}.`);
  checkPart('gates', gates);
  if (gates.rows !== undefined) checkArray('gates.rows', gates.rows, Uint8Array, rows);
  const usable = Array.from({ length: branches }, (_, branch) => branch).filter((branch) => plan.rules[branch] !== 'repeat');
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
