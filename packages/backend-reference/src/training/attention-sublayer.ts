import type { KvMode } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import { attend } from '../ops/attention.js';
import { rotate } from '../ops/rotary.js';
import type { Pacer } from '../pacer.js';
import { attendBackward } from './attention-backward.js';
import { createKeyValue, type KeyValue, type LayerKeyValues } from './key-values.js';
import type { Sublayer } from './sublayer.js';
import type { TrainingLayer } from './training-model.js';

export interface AttentionContext {
  readonly config: ModelConfig;
  readonly frequencies: Float64Array;
  /** [N] */
  readonly positions: Int32Array;
  /** First row of each row's segment: [N]. */
  readonly segmentStart: Int32Array;
  readonly kv: KvMode;
  readonly pacer: Pacer;
}

/** Causal grouped-query attention; `own` is filled by `prepare`, `below` is that of the layer below, if any. */
export function attentionSublayer(
  layer: TrainingLayer,
  context: AttentionContext,
  own: LayerKeyValues,
  below: LayerKeyValues | undefined,
): Sublayer {
  const { config, frequencies, positions, segmentStart, kv, pacer } = context;
  const { query, key, value, attentionOutput } = layer;

  const project = (row: number, normed: Float64Array): KeyValue => {
    const made = createKeyValue(key.rows);
    key.forward(normed, made.key);
    value.forward(normed, made.value);
    rotate(made.key, positions[row]!, frequencies, config);
    return made;
  };
  const visibleTo = (row: number, last: KeyValue | undefined): KeyValue[] => {
    const seen = own.rows.slice(segmentStart[row]!, row).filter((known) => known !== undefined);
    if (last !== undefined) seen.push(last);
    return seen;
  };

  return {
    norm: layer.attentionNorm,

    async prepare(normed, skipped, isReplay) {
      // Layers above may hold these rows as their own, so a replay leaves them as they are.
      if (isReplay) return;
      for (const [row, x] of normed.entries()) {
        if (skipped[row] === 1 && kv === 'absent') continue;
        if (skipped[row] === 1 && kv === 'alias' && below !== undefined) {
          own.rows[row] = below.rows[row];
          continue;
        }
        own.rows[row] = project(row, x);
        own.projected[row] = 1;
        if (pacer.isDue) await pacer.pause();
      }
    },

    run(row, normed, isSkipped) {
      const last = isSkipped && own.projected[row] === 0 ? project(row, normed) : own.rows[row];
      const rotated = query.forward(normed, new Float64Array(query.rows));
      rotate(rotated, positions[row]!, frequencies, config);
      const mixed = attend(rotated, visibleTo(row, last), config);
      return { output: attentionOutput.forward(mixed, new Float64Array(attentionOutput.rows)), memory: [rotated, mixed] };
    },

    runBackward(row, normed, memory, dOutput, dNormed) {
      const [rotated, mixed] = memory as [Float64Array, Float64Array];
      const dMixed = new Float64Array(mixed.length);
      attentionOutput.backward(mixed, dOutput, dMixed);
      const dQuery = attendBackward(rotated, visibleTo(row, own.rows[row]), dMixed, config);
      // A rotation's transpose turns back.
      rotate(dQuery, -positions[row]!, frequencies, config);
      query.backward(normed, dQuery, dNormed);
    },

    async prepareBackward(normed, dNormed) {
      for (const [row, x] of normed.entries()) {
        if (own.projected[row] === 0) continue;
        const { dKey, dValue } = own.rows[row]!;
        rotate(dKey, -positions[row]!, frequencies, config);
        key.backward(x, dKey, dNormed[row]!);
        value.backward(x, dValue, dNormed[row]!);
        if (pacer.isDue) await pacer.pause();
      }
    },
  };
}
