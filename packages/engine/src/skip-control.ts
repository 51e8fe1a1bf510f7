import { InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import { densePlan, type KvMode, type ModelShape, type Plan } from '@gateskip/gate';
import type { GateAdapter } from '@gateskip/model';
import { createPolicy, defaultPolicyName, type Observation, type Policy, type SequencePolicy } from '@gateskip/scheduler';
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
    private readonly kv: KvMode,
    settings: RequestSettings,
    branches: number,
  ) {
    this.policyName = policy?.name ?? 'dense';
    this.coupleKey = policy?.couplesSequences ? JSON.stringify([policy.name, settings.budget, settings.policyOptions, kv]) : undefined;
    this.dense = { ...densePlan(branches), kv };
    this.restart();
  }

  /** @throws InvalidArgumentError, UnsupportedError where the policy cannot serve the budget or lacks gates. */
  static create(settings: RequestSettings, promptTokens: number, shape: ModelShape, adapter: GateAdapter | undefined): SkipControl {
    const branches = 2 * shape.layers;
    const kv = settings.kv ?? adapter?.calibration.kv ?? 'project';
    if (settings.budget === undefined) return new SkipControl(undefined, promptTokens, settings.kv ?? 'project', settings, branches);
    const policy = createPolicy(settings.policy ?? defaultPolicyName, {
      shape,
      budget: settings.budget,
      gates: adapter?.gates.spec,
      calibration: adapter?.calibration,
      options: settings.policyOptions,
    });
    return new SkipControl(policy, promptTokens, kv, settings, branches);
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
    if (plan.kv === this.kv) return plan;
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

export function requireAdapter(settings: RequestSettings, needs: readonly string[], adapter: GateAdapter | undefined): void {
  if (settings.budget === undefined || adapter || needs.length === 0) return;
  throw new InvalidArgumentError(
    `The policy "${settings.policy ?? defaultPolicyName}" needs ${needs.join(' and ')}, and this engine has no gate adapter.`,
    'Load an adapter, or leave the budget out.',
    { what: 'budget', needs },
  );
}
