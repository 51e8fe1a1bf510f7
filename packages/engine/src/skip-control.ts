import { UnsupportedError } from '@gateskip/errors';
import { type KvMode, type ModelShape, type Plan, standInMacs } from '@gateskip/gate';
import type { GateAdapter } from '@gateskip/model';
import {
  type BranchProfile,
  createPolicy,
  defaultPolicyName,
  densePlanOf,
  type Observation,
  type Policy,
  type SequencePolicy,
} from '@gateskip/scheduler';
import type { RequestSettings } from './request/request-settings.js';

/** What one request's rows may skip: its policy, or nothing. Begins anew when the sequence is recomputed. */
export class SkipControl {
  readonly policyName: string;
  /** Requests with the same key may be ranked together; undefined where they must not be. */
  readonly coupleKey: string | undefined;
  private sequencePolicy: SequencePolicy | undefined;
  private lastPlan: Plan | undefined;
  private lastPlanWithKv: Plan | undefined;
  private readonly dense: Plan;

  private constructor(
    private readonly policy: Policy | undefined,
    private readonly promptTokens: number,
    private readonly kv: KvMode | undefined,
    settings: RequestSettings,
    dense: Plan,
  ) {
    this.policyName = policy?.name ?? 'dense';
    this.coupleKey = policy?.couplesSequences ? JSON.stringify([policy.name, settings.budget, settings.policyOptions, kv]) : undefined;
    this.dense = kv === undefined ? dense : { ...dense, kv };
    this.restart();
  }

  /** @throws what {@link createPolicy} throws: unknown policy, missing gates, calibration or profile, a budget out of reach. */
  static create(
    settings: RequestSettings,
    promptTokens: number,
    shape: ModelShape,
    adapter: GateAdapter | undefined,
    profile: BranchProfile | undefined,
  ): SkipControl {
    const { budget, kv, policyOptions } = settings;
    const dense = densePlanOf(shape, adapter?.calibration);
    if (budget === undefined) return new SkipControl(undefined, promptTokens, kv, settings, dense);
    // The policy must know the kv mode too: it decides what a skip saves.
    const options = kv === undefined ? policyOptions : { ...policyOptions, kv };
    const policy = createPolicy(settings.policy ?? defaultPolicyName, {
      shape,
      budget,
      gates: adapter?.gates.spec,
      standInMacs: standInMacs(adapter?.gates),
      calibration: adapter?.calibration,
      profile,
      options,
    });
    return new SkipControl(policy, promptTokens, kv, settings, dense);
  }

  get wantsScores(): boolean {
    return this.sequencePolicy?.wantsScores ?? false;
  }

  /** Most rows from `position` on that one plan may hold. */
  spanAt(position: number): number {
    return this.sequencePolicy ? Math.max(1, this.sequencePolicy.spanAt(position)) : Number.POSITIVE_INFINITY;
  }

  /** The plan for the next rows; its `pinned` has `rows` entries or is absent. */
  plan(position: number, rows: number): Plan {
    if (!this.sequencePolicy) return this.dense;
    const plan = this.sequencePolicy.plan(position, rows);
    if (this.kv === undefined || plan.kv === this.kv) return plan;
    if (plan !== this.lastPlan) {
      this.lastPlan = plan;
      this.lastPlanWithKv = { ...plan, kv: this.kv };
    }
    return this.lastPlanWithKv ?? plan;
  }

  observe(observation: Observation): void {
    this.sequencePolicy?.observe(observation);
  }

  /** Forgets what was learned: the sequence's rows are about to run again from position 0. */
  restart(): void {
    this.sequencePolicy = this.policy?.open({ promptTokens: this.promptTokens });
    this.lastPlan = undefined;
    this.lastPlanWithKv = undefined;
  }
}

/** Whether a runner can serve a request at all; said before it queues. */
export function checkKvMode(settings: RequestSettings, kvModes: readonly KvMode[], backend: string): void {
  if (settings.kv === undefined || kvModes.includes(settings.kv)) return;
  throw new UnsupportedError(`Backend "${backend}" has no kv mode "${settings.kv}".`, `It has ${kvModes.join(', ')}.`, {
    what: 'kv',
    got: settings.kv,
  });
}
