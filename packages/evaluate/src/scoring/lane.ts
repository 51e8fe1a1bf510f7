import type { Runner, SequenceId } from '@gateskip/backend';
import type { Plan } from '@gateskip/gate';
import { densePlanOf, type Policy, type SequencePolicy } from '@gateskip/scheduler';
import { addUsage, noUsage, type Usage } from './usage.js';

/** One sequence on the runner with its policy; undefined: dense. */
export class Lane {
  usage: Usage = noUsage;
  readonly #dense: Plan;

  private constructor(
    readonly runner: Runner,
    readonly sequence: SequenceId,
    readonly policy: SequencePolicy | undefined,
    public position: number,
  ) {
    this.#dense = densePlanOf(runner.config, runner.adapter?.calibration);
  }

  /**
   * @param promptTokens tokens within which thresholds stand still, at the policy's budget for prompts if it has one
   * @param scores of the text that will run, for policies that need them: [branches, promptTokens]
   */
  static open(runner: Runner, policy: Policy | undefined, promptTokens: number, scores?: Float32Array): Lane {
    // First what may refuse, then what must be closed.
    const sequencePolicy = policy?.open({ promptTokens, ...(scores && { scores }) });
    return new Lane(runner, runner.openSequence(), sequencePolicy, 0);
  }

  /** The same past, shared; usage begins anew. */
  fork(): Lane {
    return new Lane(this.runner, this.runner.fork(this.sequence), this.policy?.fork(), this.position);
  }

  /** Most rows from here on that may go into one step. */
  get span(): number {
    return this.policy ? Math.max(1, this.policy.spanAt(this.position)) : Number.MAX_SAFE_INTEGER;
  }

  plan(rows: number): Plan {
    return this.policy ? this.policy.plan(this.position, rows) : this.#dense;
  }

  add(rows: number, usage: Usage): void {
    this.position += rows;
    this.usage = addUsage(this.usage, usage);
  }

  close(): void {
    this.runner.closeSequence(this.sequence);
  }
}
