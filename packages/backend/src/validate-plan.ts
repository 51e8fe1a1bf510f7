import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { branchCount, type Plan, type Rule } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';
import type { Capabilities } from './contract.js';

/** What validation needs to know about a runner. */
export interface PlanContext {
  readonly config: ModelConfig;
  readonly adapter: GateAdapter | undefined;
  readonly capabilities: Pick<Capabilities, 'rules' | 'scorers' | 'kvModes'>;
}

const RULES: readonly string[] = ['keep', 'threshold', 'fraction', 'quantile', 'repeat', 'exit'];

/** Whether a rule decides by comparing scores. */
export function ruleNeedsScores(rule: Rule): boolean {
  return rule === 'threshold' || rule === 'fraction' || rule === 'quantile';
}

/** @throws InvalidArgumentError, ShapeMismatchError, UnsupportedError: `index` names the plan in the message. */
export function validatePlan(plan: Plan, index: number, rows: number, context: PlanContext): void {
  const branches = branchCount(context.config);
  const name = `Plan ${index}`;
  if (plan === null || typeof plan !== 'object') throw new InvalidArgumentError(`${name} is not an object.`);
  if (!Array.isArray(plan.rules)) throw new InvalidArgumentError(`${name}: rules must be an array.`);
  if (plan.rules.length !== branches)
    throw new ShapeMismatchError(`${name}, rules`, [branches], [plan.rules.length], 'Give one rule per branch.');
  if (!(plan.values instanceof Float32Array)) throw new InvalidArgumentError(`${name}: values must be a Float32Array.`);
  if (plan.values.length !== branches)
    throw new ShapeMismatchError(`${name}, values`, [branches], [plan.values.length], 'Give one value per branch.');
  if (plan.pinned !== undefined) {
    if (!(plan.pinned instanceof Uint8Array)) throw new InvalidArgumentError(`${name}: pinned must be a Uint8Array.`);
    if (plan.pinned.length !== rows)
      throw new ShapeMismatchError(`${name}, pinned`, [rows], [plan.pinned.length], 'Give one byte per row of the whole step.');
  }
  if (plan.standIns !== undefined && typeof plan.standIns !== 'boolean')
    throw new InvalidArgumentError(`${name}: standIns must be true or false.`);
  if (plan.loraStrength !== undefined && !(plan.loraStrength >= 0 && plan.loraStrength <= 1))
    throw new InvalidArgumentError(`${name}: loraStrength must be a number in 0..1, got ${String(plan.loraStrength)}.`);
  if (plan.seed !== undefined && !(Number.isInteger(plan.seed) && plan.seed >= 0 && plan.seed <= 0xffffffff)) {
    throw new InvalidArgumentError(`${name}: seed must be an integer in 0..4294967295, got ${plan.seed}.`);
  }
  validateKinds(plan, name, context);
  if (plan.scorer === 'given') validateScores(plan, name, branches, rows);
  validateRules(plan, name, branches, context);
}

function validateKinds(plan: Plan, name: string, context: PlanContext): void {
  const { capabilities, adapter } = context;
  if (!capabilities.scorers.includes(plan.scorer) || (plan.scorer === 'gate' && adapter === undefined)) {
    const remedy =
      plan.scorer === 'gate' && adapter === undefined
        ? 'Load the model with a gate adapter.'
        : `Supported: ${capabilities.scorers.join(', ')}.`;
    throw new UnsupportedError(`${name}: scorer ${String(plan.scorer)} is not available here.`, remedy, { got: plan.scorer });
  }
  if (!capabilities.kvModes.includes(plan.kv)) {
    throw new UnsupportedError(
      `${name}: kv mode ${String(plan.kv)} is not available here.`,
      `Supported: ${capabilities.kvModes.join(', ')}.`,
      { got: plan.kv },
    );
  }
}

function validateScores({ scores }: Plan, name: string, branches: number, rows: number): void {
  if (!(scores instanceof Float32Array)) throw new InvalidArgumentError(`${name}: scorer given needs scores, a Float32Array.`);
  if (scores.length !== branches * rows)
    throw new ShapeMismatchError(
      `${name}, scores`,
      [branches, rows],
      [scores.length],
      'Give one score per branch and row of the whole step.',
    );
}

/** Every step runs this over all branches: what is plainly right goes by without the making of a message. */
function validateRules(plan: Plan, name: string, branches: number, context: PlanContext): void {
  const { rules, values, scorer } = plan;
  const supported = context.capabilities.rules;
  const maySkip = scorer !== 'none' && !(scorer === 'gate' && context.adapter?.gates.spec.position === 'after');
  let known: Rule | undefined;
  for (let branch = 0; branch < branches; branch++) {
    const rule = rules[branch]!;
    if (rule !== known) {
      if (!supported.includes(rule)) validateRule(plan, name, branch, context);
      known = rule;
    }
    if (rule === 'keep') continue;
    const value = values[branch]!;
    if (!(maySkip && rule === 'threshold' && value >= 0 && value <= 1)) validateRule(plan, name, branch, context);
  }
}

function validateRule(plan: Plan, name: string, branch: number, context: PlanContext): void {
  const rule = plan.rules[branch]!;
  const value = plan.values[branch]!;
  const where = `${name}, branch ${branch}`;
  if (!RULES.includes(rule)) throw new InvalidArgumentError(`${where}: rule ${String(rule)} is not known.`, `Known: ${RULES.join(', ')}.`);
  if (!context.capabilities.rules.includes(rule)) {
    throw new UnsupportedError(`${where}: rule ${rule} is not available here.`, `Supported: ${context.capabilities.rules.join(', ')}.`, {
      got: rule,
    });
  }
  if (rule === 'keep') return;
  if (rule === 'repeat') {
    if (value !== 0 && value !== 1 && value !== 2) throw new InvalidArgumentError(`${where}: repeat takes 0, 1 or 2, got ${value}.`);
    return;
  }
  // Scores lie in [0, 1], so does every share: the negated form also refuses NaN.
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError(`${where}: ${rule} takes a value in 0..1, got ${value}.`);
  if (!ruleNeedsScores(rule)) return;
  if (plan.scorer === 'none')
    throw new InvalidArgumentError(`${where}: ${rule} needs scores, the plan's scorer is none.`, 'Use scorer gate, random or given.');
  if (plan.scorer === 'gate' && context.adapter?.gates.spec.position === 'after') {
    throw new UnsupportedError(
      `${where}: ${rule} cannot skip by gates that read the branch's output.`,
      "Use gates of position 'before', or rule keep to apply them as weights.",
      { got: 'after' },
    );
  }
}
