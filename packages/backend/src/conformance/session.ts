import type { GateAdapter, Model } from '@gateskip/model';
import type { BackendRequest, LoadOptions, Runner } from '../contract.js';
import { compareResults, compareUsage } from './compare.js';
import { ConformanceError } from './conformance-error.js';
import { type ConformanceOptions, type Tolerance, toleranceFor } from './options.js';
import { createRandomAdapter, type RandomAdapterOptions } from './random-adapter.js';
import { type PlayedStep, play, type Scenario } from './scenario.js';
import { tunePlans } from './tune-plans.js';

/** One model on both backends. */
export interface Session {
  readonly model: Model;
  readonly oracle: Runner;
  readonly tested: Runner;
  readonly tolerance: Tolerance;
}

/** Loads a model on both, runs the body, and closes whatever happens. Resolves to the tested backend's reasons where it declines. */
export async function withSession(
  options: ConformanceOptions,
  model: Model,
  adapter: GateAdapter | undefined,
  body: (session: Session) => Promise<void>,
  request: BackendRequest = {},
  load: Pick<LoadOptions, 'maxTokens'> = {},
): Promise<string | undefined> {
  const reasons = await options.backend.explain({ config: model.config, ...(adapter && { adapter }), ...request });
  if (reasons.length > 0) return reasons.join(' ');
  const shared: LoadOptions = { ...load, ...(adapter && { adapter }) };
  const oracle = await options.oracle.load(model, shared);
  try {
    const tested = await options.backend.load(model, { ...shared, ...options.load });
    try {
      await body({ model, oracle, tested, tolerance: toleranceFor(options, model) });
    } finally {
      await tested.close();
    }
  } finally {
    await oracle.close();
  }
  return undefined;
}

/** Plays a scenario on both and compares everything. */
export async function compareScenario(session: Session, scenario: Scenario): Promise<PlayedStep[]> {
  const expected = await play(session.oracle, scenario);
  const got = await play(session.tested, scenario);
  for (const [i, step] of expected.entries()) {
    const rows = step.input.tokens.length;
    compareResults(`step ${i}`, step.result, got[i]!.result, session.tolerance, rows, session.model.config.vocabularySize);
    for (const [j, usage] of step.usage.entries())
      compareUsage(`step ${i}, ${j === 0 ? 'pool' : `sequence ${j - 1}`}`, usage, got[i]!.usage[j]!);
  }
  return got;
}

/** Most adapters that are tried until one leaves room between decisions and scores. */
const TUNING_ATTEMPTS = 64;

export interface TunedSetup {
  readonly adapter: GateAdapter;
  readonly scenario: Scenario;
}

/**
 * An adapter and values for a scenario such that rounding within the tolerance cannot change a decision: of some seeds,
 * the first whose decisions are all further than the tolerance from every score, which no allowed error can then carry across.
 */
export async function tunedSetup(
  options: ConformanceOptions,
  model: Model,
  adapterOptions: Omit<RandomAdapterOptions, 'seed'>,
  scenario: Scenario,
): Promise<TunedSetup> {
  const needed = toleranceFor(options, model).scores;
  let widest = 0;
  for (let seed = 1; seed <= TUNING_ATTEMPTS; seed++) {
    const adapter = createRandomAdapter(model, { ...adapterOptions, seed });
    const oracle = await options.oracle.load(model, { adapter });
    try {
      const { scenario: tuned, margin } = await tunePlans(oracle, scenario);
      if (margin > needed) return { adapter, scenario: tuned };
      widest = Math.max(widest, margin);
    } finally {
      await oracle.close();
    }
  }
  throw new ConformanceError(
    `No decision of this case is further than ${needed} from all scores (widest ${widest.toExponential(2)}): the stated tolerance is too wide to tell right from wrong.`,
  );
}
