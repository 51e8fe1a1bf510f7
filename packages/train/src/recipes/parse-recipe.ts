import type { ParameterGroup } from '@gateskip/backend';
import { layerMatrices } from '@gateskip/model';
import { IMPORTANCE_MEASURES } from '../fit/fit-options.js';
import { RecipeInvalidError } from './errors.js';
import { Fields } from './fields.js';
import { type GateStart, type OptimizerRecipe, RECIPE_FORMAT, type SkipRecipe, type StaticDrop, type TrainingRecipe } from './recipe.js';

const GROUPS: readonly ParameterGroup[] = ['gates', 'standIns', 'lora', 'norms', 'backbone'];
const MOST_TOKENS = 1e12;
const MOST_BRANCHES = 8192;

/**
 * A recipe out of JSON, checked field by field: unknown fields, missing ones and numbers out of range are refused by name.
 *
 * @throws RecipeInvalidError
 */
export function parseRecipe(value: unknown): TrainingRecipe {
  const all = new Fields(value, '');
  all.choice('format', [RECIPE_FORMAT]);
  const gates = readGates(all.object('gates'));
  const trainable = all.choices('trainable', GROUPS);
  const lora = all.optionalObject('lora');
  const protectedBranches = all.raw('protectedBranches');
  const straightThrough = all.optionalObject('straightThrough');
  const batch = all.object('batch');
  const heldOut = all.object('heldOut');
  const recipe: TrainingRecipe = {
    format: RECIPE_FORMAT,
    name: all.text('name', 64),
    description: all.text('description', 2000),
    seed: all.whole('seed', 0, 0xffffffff),
    gates,
    trainable,
    ...(lora && { lora: readLora(lora) }),
    detachGateInput: all.truth('detachGateInput'),
    kv: all.choice('kv', ['project', 'absent', 'alias']),
    pinnedTokens: all.whole('pinnedTokens', 0, 15),
    protectedBranches: protectedBranches === 'ends' ? 'ends' : all.numbers('protectedBranches', 0, MOST_BRANCHES - 1, MOST_BRANCHES, true),
    skip: readSkip(all.object('skip')),
    ...(straightThrough && { straightThrough: readStraightThrough(straightThrough) }),
    loss: readLoss(all.object('loss')),
    optimizer: readOptimizer(all.object('optimizer')),
    batch: { rows: batch.whole('rows', 16, 65_536), accumulate: batch.whole('accumulate', 1, 4096) },
    tokens: all.whole('tokens', 1, MOST_TOKENS),
    heldOut: {
      tokens: heldOut.whole('tokens', 16, 1 << 24),
      budgets: heldOut.numbers('budgets', 0, 1, 16),
      everyTokens: heldOut.whole('everyTokens', 1, MOST_TOKENS),
      patience: heldOut.whole('patience', 0, 10_000),
    },
    checkpointSeconds: all.number('checkpointSeconds', 0, 86_400),
    lossAbove: all.positive('lossAbove', 1e9),
  };
  for (const each of [batch, heldOut, all]) each.end();
  checkTogether(recipe, all);
  return recipe;
}

function readGates(fields: Fields): GateStart {
  const start = fields.choice('start', ['fit', 'random', 'static']);
  let gates: GateStart;
  if (start !== 'random') {
    const rank = fields.has('standInRank') ? fields.whole('standInRank', 0, 65_536) : undefined;
    gates = {
      start,
      tokens: fields.whole('tokens', 64, 4_194_304),
      ...(start === 'fit' && fields.has('importance') && { importance: fields.choice('importance', IMPORTANCE_MEASURES) }),
      ...(rank !== undefined && { standInRank: rank }),
    };
  } else {
    const variant = fields.choice('variant', ['vector', 'scalar', 'mlp', 'low-rank', 'hybrid']);
    gates = {
      start,
      variant,
      sharing: fields.choice('sharing', ['separate', 'shared']),
      position: fields.choice('position', ['before', 'after']),
      multiplies: fields.truth('multiplies'),
      ...(variant === 'low-rank' && { rank: fields.whole('rank', 1, 65_536) }),
      ...(variant === 'mlp' && { hidden: fields.whole('hidden', 1, 1 << 20) }),
      bias: fields.number('bias', -17, 17),
      deviation: fields.number('deviation', 0, 1000),
    };
  }
  fields.end();
  return gates;
}

function readLora(fields: Fields): NonNullable<TrainingRecipe['lora']> {
  const lora = {
    rank: fields.whole('rank', 1, 512),
    alpha: fields.positive('alpha', 1e6),
    matrices: fields.choices('matrices', layerMatrices),
    ...(fields.has('fullAt') && { fullAt: fields.positive('fullAt', 1) }),
  };
  fields.end();
  return lora;
}

function readSkip(fields: Fields): SkipRecipe {
  const drop = fields.optionalObject('drop');
  const skip: SkipRecipe = {
    rule: fields.choice('rule', ['global-threshold', 'branch-quantile', 'static']),
    low: fields.number('low', 0, 0.95),
    high: fields.number('high', 0, 0.95),
    start: fields.number('start', 0, 0.95),
    rampShare: fields.number('rampShare', 0, 1),
    draw: fields.choice('draw', ['uniform', 'top']),
    ...(drop && { drop: readDrop(drop) }),
  };
  fields.end();
  if (skip.low > skip.high) throw fields.refuse('low', `must be at most "high", which is ${skip.high}`, skip.high, skip.low);
  return skip;
}

function readDrop(fields: Fields): StaticDrop {
  const drop: StaticDrop = fields.has('branches')
    ? { branches: fields.numbers('branches', 0, MOST_BRANCHES - 1, MOST_BRANCHES, true) }
    : { count: fields.whole('count', 1, MOST_BRANCHES), by: fields.choice('by', ['influence', 'kl']) };
  fields.end();
  return drop;
}

function readLoss(fields: Fields): TrainingRecipe['loss'] {
  const teacher = fields.optionalObject('teacher');
  const crossEntropy = fields.optionalObject('crossEntropy');
  const gates = fields.optionalObject('gates');
  const kind = gates?.choice('kind', ['l2', 'l1', 'density']);
  const loss: TrainingRecipe['loss'] = {
    ...(teacher && { teacher: { weight: teacher.number('weight', 0, 1e6), count: teacher.whole('count', 1, 1024) } }),
    ...(crossEntropy && { crossEntropy: { weight: crossEntropy.number('weight', 0, 1e6) } }),
    ...(gates &&
      kind && {
        gates: { kind, weight: gates.number('weight', 0, 1e6), ...(kind === 'density' && { density: gates.number('density', 0, 1) }) },
      }),
  };
  for (const each of [teacher, crossEntropy, gates, fields]) each?.end();
  if (!loss.teacher && !loss.crossEntropy) throw fields.refuse('teacher', 'or "crossEntropy" must be there', 'a loss of tokens', undefined);
  return loss;
}

function readOptimizer(fields: Fields): OptimizerRecipe {
  const rates = fields.object('rates');
  const optimizer: OptimizerRecipe = {
    rates: Object.fromEntries(GROUPS.filter((group) => rates.has(group)).map((group) => [group, rates.number(group, 0, 10)])),
    schedule: fields.choice('schedule', ['constant', 'linear', 'cosine']),
    warmupShare: fields.number('warmupShare', 0, 0.9),
    floor: fields.number('floor', 0, 1),
    beta1: fields.number('beta1', 0, 0.99999),
    beta2: fields.number('beta2', 0, 0.999999),
    weightDecay: fields.number('weightDecay', 0, 10),
    clip: fields.positive('clip', 1e9),
  };
  rates.end();
  fields.end();
  return optimizer;
}

function readStraightThrough(fields: Fields): NonNullable<TrainingRecipe['straightThrough']> {
  const straightThrough = {
    temperature: fields.positive('temperature', 100),
    ...(fields.has('holdsBudget') && { holdsBudget: fields.truth('holdsBudget') }),
    ...(fields.has('taught') && { taught: fields.choice('taught', ['all', 'skipped']) }),
  };
  fields.end();
  return straightThrough;
}

/** Rules between fields. */
function checkTogether(recipe: TrainingRecipe, fields: Fields): void {
  const { gates, trainable, lora, skip, loss, straightThrough, optimizer } = recipe;
  const refuse = (field: string, message: string, got: unknown): never => {
    throw new RecipeInvalidError(field, message, undefined, got);
  };
  if (trainable.length === 0) throw fields.refuse('trainable', 'must name at least one group', GROUPS, []);
  for (const group of trainable) {
    if (optimizer.rates[group] === undefined)
      refuse(`optimizer.rates.${group}`, `"trainable" names ${group}, "optimizer.rates" has no rate for it.`, undefined);
  }
  if (trainable.includes('lora') !== (lora !== undefined))
    refuse('lora', '"lora" must be there exactly where "trainable" names lora.', lora ?? null);
  if (lora && trainable.includes('backbone'))
    refuse(
      'trainable',
      'Low-rank additions to matrices that are trained themselves add nothing: "trainable" has lora or backbone.',
      trainable,
    );
  if (lora && lora.matrices.length === 0) refuse('lora.matrices', '"lora.matrices" must name a matrix.', []);
  if ((skip.rule === 'static') !== (gates.start === 'static') || (skip.rule === 'static') !== (skip.drop !== undefined))
    refuse('skip.drop', 'Rule static, gates that start static and "skip.drop" go together.', skip.rule);
  if (skip.rule === 'static' && trainable.includes('gates')) refuse('trainable', 'Static gates are no gates to train.', trainable);
  if (skip.rule === 'static' && (straightThrough || loss.gates))
    refuse('straightThrough', 'Static gates have neither "straightThrough" nor "loss.gates".', skip.rule);
  if (gates.start === 'random' && gates.position === 'after' && straightThrough)
    refuse('gates.position', 'Gates behind their branch know too late to skip: no "straightThrough".', 'after');
  if (straightThrough?.holdsBudget && (skip.rule !== 'global-threshold' || !recipe.detachGateInput))
    refuse(
      'straightThrough.holdsBudget',
      '"holdsBudget" needs one threshold for all branches (rule global-threshold) and "detachGateInput".',
      true,
    );
}
