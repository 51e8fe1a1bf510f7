import { readFileSync } from 'node:fs';
import { gateParameterPrefix, type LoraOptions, type ParameterGroup, type StraightThroughOptions, type TrainLoss } from '@gateskip/backend';
import { type GateParameters, type GateSet, type GateSpec, gateParameterShapes, type KvMode, type Rule, type Scorer } from '@gateskip/gate';
import { createMemoryModel, dequantize, type ModelConfig } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../../src/index.js';

type Arrays = Readonly<Record<string, string>>;

/** Made by tools/oracles/pytorch/make_training_vectors.py; arrays are base64: float16 parameters, float32 gradients. */
interface Fixture {
  readonly tokens: readonly number[];
  readonly segmentLengths: readonly number[];
  readonly lora: LoraOptions;
  readonly groups: Readonly<Record<'norms' | 'backbone' | 'standIns' | 'lora', Arrays>>;
  readonly gates: Readonly<Record<string, Arrays>>;
  readonly cases: readonly VectorCase[];
}

interface VectorCase {
  readonly name: string;
  readonly config: ModelConfig;
  readonly trainable: readonly ParameterGroup[];
  readonly gates: string | null;
  readonly spec: GateSpec | null;
  readonly plan: { scorer: Scorer; rules: Rule[]; values: number[]; kv: KvMode; pinned: number[] };
  readonly straightThrough: { readonly temperature?: number; readonly savings?: readonly number[] } | null;
  readonly detachGateInput: boolean;
  readonly loss: {
    readonly rowWeights?: readonly number[];
    readonly crossEntropy?: { readonly targets: readonly number[]; readonly weight: number };
    readonly teacher?: {
      readonly count: number;
      readonly tokens: readonly number[];
      readonly logProbabilities: string;
      readonly tailMass: string;
      readonly weight: number;
    };
    readonly gates?: {
      readonly kind: 'l2' | 'l1' | 'density';
      readonly weight: number;
      readonly density?: number;
      readonly rows: number[];
    };
  };
  readonly kept: string;
  readonly total: number;
  readonly parts: Readonly<Record<string, number>>;
  readonly gradients: Readonly<Record<string, string | null>>;
}

const fixture = JSON.parse(readFileSync(new URL('../fixtures/pytorch-training.json', import.meta.url), 'utf8')) as Fixture;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const half = (text: string) => dequantize('F16', bytes(text), bytes(text).length / 2);
const single = (text: string) => dequantize('F32', bytes(text), bytes(text).length / 4);

/** The fixture rounds gradients to float32 once; both sides compute in float64. */
const TOLERANCE = 2 ** -24 + 1e-11;

function gatesOf({ gates, spec, config }: VectorCase): GateSet | undefined {
  if (gates === null || spec === null) return undefined;
  const fields = Object.keys(gateParameterShapes(spec, config.hiddenSize));
  const owners = new Map<string, GateParameters>();
  const branches = Array.from({ length: 2 * config.layers }, (_, branch) => branch);
  for (const prefix of branches.map((branch) => gateParameterPrefix(spec.sharing, branch))) {
    const parts = fields.map((field) => [field, half(fixture.gates[gates]![`${prefix}.${field}`]!)]);
    if (!owners.has(prefix)) owners.set(prefix, Object.fromEntries(parts) as GateParameters);
  }
  return {
    spec,
    hiddenSize: config.hiddenSize,
    gates: branches.map((branch) => owners.get(gateParameterPrefix(spec.sharing, branch))!),
    standIns: branches.map((branch) => half(fixture.groups.standIns[`branches.${branch}.standIn`]!)),
  };
}

function surrogateOf({ savings, ...rest }: NonNullable<VectorCase['straightThrough']>): StraightThroughOptions {
  return { ...rest, ...(savings && { savings: Float64Array.from(savings) }) };
}

function lossOf({ rowWeights, crossEntropy, teacher, gates }: VectorCase['loss']): TrainLoss {
  return {
    ...(rowWeights && { rowWeights: Float32Array.from(rowWeights) }),
    ...(crossEntropy && { crossEntropy: { ...crossEntropy, targets: Int32Array.from(crossEntropy.targets) } }),
    ...(teacher && {
      teacher: {
        ...teacher,
        tokens: Int32Array.from(teacher.tokens),
        logProbabilities: single(teacher.logProbabilities),
        tailMass: single(teacher.tailMass),
      },
    }),
    ...(gates && { gates: { ...gates, rows: Uint8Array.from(gates.rows) } }),
  };
}

describe.each([false, true])('training steps agree with PyTorch (recompute: %s)', (recompute) => {
  it.each(fixture.cases.map((vector) => [vector.name, vector] as const))('%s', async (_name, vector) => {
    const { config, plan, trainable, detachGateInput } = vector;
    const { norms, backbone, lora } = fixture.groups;
    const tensors = Object.entries({ ...norms, ...backbone }).filter(([name]) => name !== 'output' || !config.tiedEmbeddings);
    const model = createMemoryModel(config, new Map(tensors.map(([name, text]) => [name, { type: 'F32', values: half(text) } as const])));
    const gates = gatesOf(vector);
    const trainer = await referenceBackend.loadTrainer!(model, {
      ...(gates && { gates }),
      ...(trainable.includes('lora') && { lora: fixture.lora }),
      trainable,
      detachGateInput,
      recompute,
    });
    for (const { name, group, value } of trainer.parameters) if (group === 'lora') value.set(half(lora[name]!));
    const result = await trainer.step({
      tokens: Int32Array.from(fixture.tokens),
      segmentLengths: Int32Array.from(fixture.segmentLengths),
      plan: { ...plan, values: Float32Array.from(plan.values), pinned: Uint8Array.from(plan.pinned) },
      ...(vector.straightThrough && { straightThrough: surrogateOf(vector.straightThrough) }),
      loss: lossOf(vector.loss),
      want: { keptRows: true },
    });
    expect(result.keptRows!.join('')).toBe(vector.kept);
    expect(Math.abs(result.loss - vector.total) / vector.total).toBeLessThan(1e-12);
    for (const [part, value] of Object.entries(vector.parts)) {
      expect(Math.abs(result.parts[part as keyof typeof result.parts]! - value) / value, part).toBeLessThan(1e-12);
    }
    expect(trainer.parameters.map(({ name }) => name).sort()).toEqual(
      Object.keys(vector.gradients)
        .filter((name) => name !== 'output' || !config.tiedEmbeddings)
        .sort(),
    );
    for (const { name, gradient } of trainer.parameters) {
      const text = vector.gradients[name]!;
      const expected = text === null ? new Float32Array(gradient.length) : single(text);
      const norm = Math.hypot(...expected);
      const distance = Math.hypot(...expected.map((slope, i) => slope - gradient[i]!));
      // Where PyTorch's gradient is zero up to cancellation, only its size can be compared.
      expect(distance, `${name}: off by ${distance} of ${norm}`).toBeLessThanOrEqual(TOLERANCE * norm + 1e-14);
    }
    await trainer.close();
  });
});
