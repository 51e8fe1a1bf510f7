import type { MacCounter, PreparedStep } from '@gateskip/backend';
import type { Plan } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { LayerRun } from './change-weights.js';
import { attend } from './ops/attention.js';
import { gatedMlp } from './ops/gated-mlp.js';
import { project } from './ops/project.js';
import { rotate } from './ops/rotary.js';
import type { Pacer } from './pacer.js';
import type { PendingRows } from './pending-rows.js';

/** What the branches of one step share. */
export interface BranchContext {
  readonly config: ModelConfig;
  readonly frequencies: Float64Array;
  readonly prepared: PreparedStep;
  readonly plans: readonly Plan[];
  readonly segmentStarts: readonly number[];
  readonly pending: PendingRows;
  readonly counter: MacCounter;
  readonly pacer: Pacer;
}

/** One attention or MLP sublayer of one layer. */
export interface Branch {
  readonly norm: Float32Array;
  /** Before any row runs: what rows leave for others, also those that skip. normed: [R] rows of [d]; skipped: [R]. */
  prepare(normed: readonly Float64Array[], skipped: Uint8Array): Promise<void>;
  /** The branch's output for one row, [d]. */
  run(row: number, normed: Float64Array): Float64Array;
  /** Accounts for one kept row that runs `times` times. */
  count(row: number, times: number): void;
}

/** Share of the low-rank additions that a row's plan adds. */
function strengthOf({ plans, prepared }: BranchContext, row: number): number {
  return plans[prepared.planOfRow[row]!]!.loraStrength ?? 1;
}

export function mlpBranch(weights: LayerRun, context: BranchContext): Branch {
  return {
    norm: weights.mlpNorm,
    prepare: async () => {},
    run: (row, normed) => gatedMlp(normed, weights, context.config.intermediateSize, strengthOf(context, row)),
    count: (row, times) => context.counter.addMlp(context.prepared.planOfRow[row]!, times),
  };
}

export function attentionBranch(layer: number, weights: LayerRun, context: BranchContext): Branch {
  const { config, frequencies, prepared, plans, segmentStarts, pending, counter, pacer } = context;
  const at = (row: number) => {
    const segment = prepared.segmentOfRow[row]!;
    return [segment, layer, row - segmentStarts[segment]!] as const;
  };
  return {
    norm: weights.attentionNorm,

    // K and V of all rows come first: a row sees the earlier rows of its own step.
    async prepare(normed, skipped) {
      for (let row = 0; row < prepared.rows; row++) {
        const plan = prepared.planOfRow[row]!;
        const mode = plans[plan]!.kv;
        if (skipped[row] === 1 && mode === 'absent') continue;
        if (skipped[row] === 1 && mode === 'alias' && layer > 0) {
          pending.alias(...at(row));
          continue;
        }
        const { key, value } = pending.allocate(...at(row));
        const strength = strengthOf(context, row);
        project(weights.key, normed[row]!, key, strength);
        project(weights.value, normed[row]!, value, strength);
        rotate(key, prepared.positions[row]!, frequencies, config);
        if (skipped[row] === 1) counter.addKeyValue(plan);
        if (pacer.isDue) await pacer.pause();
      }
    },

    run(row, normed) {
      const query = project(weights.query, normed, new Float64Array(config.heads * config.headSize), strengthOf(context, row));
      rotate(query, prepared.positions[row]!, frequencies, config);
      const mixed = attend(query, pending.visible(...at(row)), config);
      return project(weights.attentionOutput, mixed, new Float64Array(config.hiddenSize), strengthOf(context, row));
    },

    count: (row, times) => counter.addAttention(prepared.planOfRow[row]!, pending.visible(...at(row)).length, times),
  };
}
