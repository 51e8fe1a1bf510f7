import { branchCount, createGateSet, type GateSet, type GateSpec } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import { type FitRequest, fitAdapter } from '../fit/fit-adapter.js';
import { type FitOptions, resolveFitOptions } from '../fit/fit-options.js';
import type { BranchStandIn } from '../fit/stand-ins.js';
import { fitStaticStandIns } from '../fit/static-stand-ins.js';
import type { ModelProfile } from '../profile/model-profile.js';
import { assertProfileFits } from '../profile/profile-file.js';
import { RecipeInvalidError } from '../recipes/errors.js';
import type { StaticDrop, TrainingRecipe } from '../recipes/recipe.js';
import type { TrainRequest } from './train-request.js';

/** Branches that never skip, ascending. @throws RecipeInvalidError for branches that the model has not */
export function protectedBranches(recipe: TrainingRecipe, config: ModelConfig): readonly number[] {
  if (recipe.protectedBranches === 'ends') return resolveFitOptions({}, config).protectedBranches;
  return checkBranches('protectedBranches', recipe.protectedBranches, config);
}

/** Branches that a static recipe drops, ascending; none for other recipes. @throws RecipeInvalidError, ProfileMismatchError */
export function droppedBranches(recipe: TrainingRecipe, request: Pick<TrainRequest, 'model' | 'profile'>): readonly number[] {
  const { drop } = recipe.skip;
  if (drop === undefined) return [];
  const { config } = request.model;
  if ('branches' in drop) return checkBranches('skip.drop.branches', drop.branches, config);
  const { profile, model } = request;
  if (profile === undefined)
    throw new RecipeInvalidError('skip.drop', '"skip.drop.by" needs a profile of the model, and none was given.', 'a profile', drop.by);
  assertProfileFits(profile, model);
  const isProtected = new Set(protectedBranches(recipe, config));
  const chosen = drop.by === 'influence' ? leastLayers(profile, drop, isProtected) : leastBranches(profile, drop, isProtected);
  return chosen.sort((a, b) => a - b);
}

function leastLayers({ blockInfluence }: ModelProfile, drop: StaticDrop & { count: number }, isProtected: ReadonlySet<number>): number[] {
  const free = blockInfluence.map((_, layer) => layer).filter((layer) => !isProtected.has(2 * layer) && !isProtected.has(2 * layer + 1));
  return take(free, blockInfluence, drop.count).flatMap((layer) => [2 * layer, 2 * layer + 1]);
}

function leastBranches({ removalKl }: ModelProfile, drop: StaticDrop & { count: number }, isProtected: ReadonlySet<number>): number[] {
  return take(
    removalKl.map((_, branch) => branch).filter((branch) => !isProtected.has(branch)),
    removalKl,
    drop.count,
  );
}

function take(free: number[], by: readonly number[], count: number): number[] {
  if (count >= free.length)
    throw new RecipeInvalidError(
      'skip.drop.count',
      `"skip.drop.count" is ${count}, ${free.length} may be dropped and one must stay.`,
      free.length - 1,
      count,
    );
  return free.sort((a, b) => by[a]! - by[b]! || a - b).slice(0, count);
}

function checkBranches(field: string, branches: readonly number[], config: ModelConfig): readonly number[] {
  const end = branchCount(config);
  const bad = branches.find((branch) => branch >= end);
  if (bad !== undefined) throw new RecipeInvalidError(field, `"${field}" names branch ${bad}; the model has 0..${end - 1}.`, end - 1, bad);
  return branches;
}

/** Logits of static gates: scores 0.007 and 0.993, on both sides of the threshold that drops. */
const STATIC_LOGIT = 5;

/** Gates and stand-ins as training starts. What `fitAdapter` throws, and RecipeInvalidError. */
export async function startGates(
  request: TrainRequest,
  dropped: readonly number[],
  fitOptions: FitOptions,
  onProgress: FitRequest['onProgress'],
): Promise<GateSet> {
  const { model, backend, recipe, text, signal, threads } = request;
  const { config } = model;
  const { gates } = recipe;
  if (request.start) return request.start.gates;
  if (gates.start === 'random') {
    const { variant, sharing, position, multiplies, rank, hidden, bias, deviation } = gates;
    const spec: GateSpec = {
      variant,
      sharing,
      position,
      multiplies,
      ...(rank !== undefined && { rank }),
      ...(hidden !== undefined && { hidden }),
    };
    return createGateSet(spec, config, { seed: recipe.seed, biasStart: bias, weightStandardDeviation: deviation });
  }
  const fit: FitRequest = {
    model,
    backend,
    ...(threads !== undefined && { load: { threads } }),
    sequences: text.train.map(({ tokens }) => tokens),
    name: request.name,
    provenance: request.provenance,
    options: { ...fitOptions, kv: recipe.kv, pinnedTokens: recipe.pinnedTokens, protectedBranches: protectedBranches(recipe, config) },
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  };
  if (gates.start === 'static') return staticGates(config, dropped, await fitStaticStandIns(fit, dropped));
  // The curve is measured again on the text that training is judged by.
  const { adapter } = await fitAdapter({
    ...fit,
    options: { ...fit.options, curveShares: [0.1, 0.6], curveTokens: 64, qualityRows: 16 },
  });
  return adapter.gates;
}

function staticGates(config: ModelConfig, dropped: readonly number[], standIns: readonly BranchStandIn[]): GateSet {
  const maps = standIns.flatMap(({ map }) => (map ? [map] : []));
  return {
    spec: { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false },
    hiddenSize: config.hiddenSize,
    gates: Array.from({ length: branchCount(config) }, (_, branch) => ({
      weight: new Float32Array(config.hiddenSize),
      bias: Float32Array.of(dropped.includes(branch) ? -STATIC_LOGIT : STATIC_LOGIT),
    })),
    standIns: standIns.map(({ vector }) => vector),
    ...(maps.length > 0 && { standInMaps: maps }),
  };
}
