import { readFileSync } from 'node:fs';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import type { GateParameters, GateSpec, KvMode, Plan, Rule, Scorer } from '@gateskip/gate';
import { createMemoryModel, dequantize, type GateAdapter, type ModelConfig, type RopeScaling } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../src/index.js';

/** Made by tools/oracles/pytorch/make_tiny_vectors.py; arrays are base64, float16 for weights and float32 for logits. */
interface Fixture {
  readonly config: ModelConfig;
  readonly tokens: readonly number[];
  readonly weights: Readonly<Record<string, string>>;
  readonly gates: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>;
  readonly standIns: readonly string[];
  readonly cases: readonly VectorCase[];
}

interface VectorCase {
  readonly name: string;
  readonly config: { readonly ropeScaling?: RopeScaling };
  readonly spec: GateSpec | null;
  readonly plan: { scorer: Scorer; rules: Rule[]; values: number[]; kv: KvMode; standIns: boolean; pinned: number };
  readonly logits: string;
  readonly kept: string;
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/pytorch-tiny.json', import.meta.url), 'utf8')) as Fixture;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const half = (text: string) => dequantize('F16', bytes(text), bytes(text).length / 2);
const single = (text: string) => dequantize('F32', bytes(text), bytes(text).length / 4);

function adapterOf({ spec, config }: VectorCase): GateAdapter | undefined {
  if (spec === null) return undefined;
  const gates = fixture.gates[spec.variant]!.map(
    (gate) => Object.fromEntries(Object.entries(gate).map(([key, text]) => [key, half(text)])) as unknown as GateParameters,
  );
  const around = createRandomAdapter({ config: { ...fixture.config, ...config }, fingerprint: 'pytorch' }, { seed: 1 });
  return { ...around, gates: { spec, hiddenSize: fixture.config.hiddenSize, gates, standIns: fixture.standIns.map(half) } };
}

/** Both sides compute in float64 from the same float16 weights; the fixture rounds logits to float32 once. */
const TOLERANCE = 1e-6;

describe('the reference backend agrees with PyTorch', () => {
  it.each(fixture.cases.map((vector) => [vector.name, vector] as const))('%s', async (_name, vector) => {
    const config = { ...fixture.config, ...vector.config };
    const weights = Object.entries(fixture.weights).map(([name, text]) => {
      // Norms are float32 in every real file; the fixture's float16 values are exact in it.
      const values = half(text);
      return [name, { type: 'F32', values }] as const;
    });
    const model = createMemoryModel(config, new Map(weights));
    const adapter = adapterOf(vector);
    const runner = await referenceBackend.load(model, adapter === undefined ? {} : { adapter });
    const tokens = Int32Array.from(fixture.tokens);
    const plan: Plan = {
      ...vector.plan,
      values: Float32Array.from(vector.plan.values),
      pinned: Uint8Array.from(tokens, (_, row) => (row < vector.plan.pinned ? 1 : 0)),
    };
    const expected = single(vector.logits);
    // In one piece, and for rules that do not rank also in two: what K and V are left behind must serve later steps.
    const cuts = vector.plan.rules.some((rule) => rule === 'fraction' || rule === 'quantile')
      ? [[tokens.length]]
      : [[tokens.length], [6, tokens.length]];
    for (const ends of cuts) {
      const sequence = runner.openSequence();
      let start = 0;
      for (const end of ends) {
        const length = end - start;
        const result = await runner.step(
          {
            tokens: tokens.slice(start, end),
            segments: [{ sequence, start: 0, length, plan: 0 }],
            outputs: Int32Array.from({ length }, (_, row) => row),
            want: { keptRows: true },
          },
          [{ ...plan, pinned: plan.pinned!.slice(start, end) }],
        );
        for (let branch = 0; branch < vector.plan.rules.length; branch++) {
          const got = result.keptRows!.slice(branch * length, (branch + 1) * length).join('');
          expect(got, `kept rows of branch ${branch}`).toBe(
            vector.kept.slice(branch * tokens.length + start, branch * tokens.length + end),
          );
        }
        for (let row = 0; row < length; row++) {
          const want = expected.subarray((start + row) * config.vocabularySize, (start + row + 1) * config.vocabularySize);
          const distance = relativeDistance(want, result.logits!.subarray(row * config.vocabularySize, (row + 1) * config.vocabularySize));
          expect(distance, `logits of token ${start + row}`).toBeLessThan(TOLERANCE);
        }
        start = end;
      }
    }
    await runner.close();
  });
});

function relativeDistance(expected: Float32Array, got: Float32Array): number {
  let norm = 0;
  let distance = 0;
  for (let i = 0; i < expected.length; i++) {
    norm += expected[i]! ** 2;
    distance += (expected[i]! - got[i]!) ** 2;
  }
  return Math.sqrt(distance / norm);
}
