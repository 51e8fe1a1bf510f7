import type { Runner } from '@gateskip/backend';
import { referenceBackend } from '@gateskip/backend-reference';
import { AbortedError, InvalidArgumentError } from '@gateskip/errors';
import { densePlan, type Rule } from '@gateskip/gate';
import { createRandomModel, dequantize, type Model } from '@gateskip/model';
import { createPolicy } from '@gateskip/scheduler';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ModelProfile,
  type ProfileProgress,
  profileModel,
  TooLittleTextError,
  updateScores,
  withProfileStandIns,
} from '../../src/index.js';
import { randomSequences } from '../fit-request.js';

const config = { layers: 4, hiddenSize: 32, heads: 2, kvHeads: 1, headSize: 16, intermediateSize: 48 };
const model: Model = createRandomModel({ seed: 5, config });
const { vocabularySize, layers, hiddenSize: d } = model.config;
const branches = 2 * layers;
const sequences = randomSequences(6, 48, vocabularySize);
const options = { windowTokens: 48, tokens: 288, removalTokens: 96, removalRows: 80, pinnedTokens: 2 };
let runner: Runner;
let profile: ModelProfile;
const progress: ProfileProgress[] = [];

beforeAll(async () => {
  runner = await referenceBackend.load(model);
  profile = await profileModel({ model, runner, sequences, description: 'random', options, onProgress: (step) => progress.push(step) });
});
afterAll(() => runner.close());

/** The stream after every layer, [L + 1][rows, d], added up from the token's embedding: another way to the same numbers. */
async function streams(tokens: Int32Array): Promise<Float64Array[]> {
  const sequence = runner.openSequence();
  const segments = [{ sequence, start: 0, length: tokens.length, plan: 0 }];
  const { hidden } = await runner.step({ tokens, segments, outputs: new Int32Array(0), want: { hidden: true } }, [densePlan(branches)]);
  runner.closeSequence(sequence);
  const embedding = dequantize(model.tensors.get('tokenEmbedding')!.type, await model.read('tokenEmbedding'), vocabularySize * d);
  const all = [Float64Array.from({ length: tokens.length * d }, (_, i) => embedding[tokens[Math.floor(i / d)]! * d + (i % d)]!)];
  for (let layer = 0; layer < layers; layer++) {
    const from = 2 * layer * tokens.length * d;
    const next = all[layer]!.map((value, i) => value + hidden!.outputs[from + i]! + hidden!.outputs[from + tokens.length * d + i]!);
    all.push(next);
  }
  return all;
}

describe('profileModel', () => {
  it('measures block influence as ShortGPT defines it, the last layer too', async () => {
    const sums = new Float64Array(layers);
    let rows = 0;
    for (const tokens of sequences) {
      const stream = await streams(tokens);
      for (let row = options.pinnedTokens; row < tokens.length; row++, rows++) {
        for (let layer = 0; layer < layers; layer++) {
          const [x, y] = [stream[layer]!, stream[layer + 1]!].map((all) => all.subarray(row * d, (row + 1) * d)) as [
            Float64Array,
            Float64Array,
          ];
          const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
          sums[layer]! += 1 - dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
        }
      }
    }
    expect(profile.text.tokens).toBe(rows);
    // Norms and rows of the trace are float32: a few 2^-24 of 1 each.
    for (let layer = 0; layer < layers; layer++)
      expect(Math.abs(profile.blockInfluence[layer]! - sums[layer]! / rows)).toBeLessThan(2 ** -20);
  });

  it('measures the KL of each branch as removing it gives it', async () => {
    const branch = 5;
    const rules = new Array<Rule>(branches).fill('keep');
    rules[branch] = 'repeat';
    const probabilities = (logits: Float32Array, row: number) => {
      const own = Float64Array.from(logits.subarray(row * vocabularySize, (row + 1) * vocabularySize), Math.exp);
      const sum = own.reduce((total, value) => total + value, 0);
      return own.map((value) => value / sum);
    };
    let kl = 0;
    let count = 0;
    // The two windows that the options leave of six: those that lie evenly.
    const half = await profileModel({ model, runner, sequences: sequences.slice(0, 2), description: '', options });
    for (const tokens of sequences.slice(0, 2)) {
      const outputs = Int32Array.from({ length: 40 }, (_, i) => options.pinnedTokens + Math.floor(((i + 0.5) * 46) / 40));
      const run = async (own: readonly Rule[]) => {
        const sequence = runner.openSequence();
        const pinned = new Uint8Array(tokens.length).fill(1, 0, options.pinnedTokens);
        const plan = { ...densePlan(branches), rules: own, pinned };
        const { logits } = await runner.step({ tokens, segments: [{ sequence, start: 0, length: 48, plan: 0 }], outputs }, [plan]);
        runner.closeSequence(sequence);
        return logits!;
      };
      const [dense, without] = [await run(new Array<Rule>(branches).fill('keep')), await run(rules)];
      for (let row = 0; row < outputs.length; row++, count++) {
        const [p, q] = [probabilities(dense, row), probabilities(without, row)];
        kl += p.reduce((sum, value, token) => sum + value * Math.log(value / q[token]!), 0);
      }
    }
    expect(half.text).toMatchObject({ removalTokens: 96, removalRows: 80 });
    expect(count).toBe(80);
    // Dense log-probabilities are float32 of size up to 10: 2^-21 each.
    expect(Math.abs(half.removalKl[branch]! - kl / count)).toBeLessThan(2 ** -19);
    expect(half.removalKl.every((value) => value > 0)).toBe(true);
  });

  it('gives norms, means and progress', async () => {
    const scores = await updateScores({ runner, tokens: sequences[0]! });
    expect(scores).toHaveLength(branches * 48);
    expect(profile.relativeNorms.every((norm) => norm > 0 && norm < 100)).toBe(true);
    expect(profile.meanOutputs).toHaveLength(branches * d);
    expect(progress.at(-1)).toEqual({ phase: 'removal', done: 18, total: 18 });
    expect(progress.filter(({ phase }) => phase === 'trace').at(-1)).toMatchObject({ done: 288, total: 288 });
  });

  it('ends when it is told to, and refuses what it cannot measure', async () => {
    const controller = new AbortController();
    const stopped = profileModel({
      model,
      runner,
      sequences,
      description: '',
      options,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toBeInstanceOf(AbortedError);
    await expect(profileModel({ model, runner, sequences: [], description: '' })).rejects.toBeInstanceOf(TooLittleTextError);
    await expect(profileModel({ model, runner, sequences, description: '', options: { tokens: 1 } })).rejects.toThrow(/tokens is 1/);
    const other = createRandomModel({ seed: 5, config: { ...config, layers: 2 } });
    await expect(profileModel({ model: other, runner, sequences, description: '' })).rejects.toBeInstanceOf(InvalidArgumentError);
    expect(runner.kvUsage().used).toBe(0);
  });
});

describe('updateScores', () => {
  it('are squared relative norms of the true update, less the stand-in where there is one', async () => {
    const tokens = sequences[1]!;
    const stream = await streams(tokens);
    const scores = await updateScores({ runner, tokens });
    const nothing = await updateScores({ runner, tokens, standIns: new Float32Array(branches * d) });
    expect(nothing).toEqual(scores);
    // Both branches of a layer together against the stream before and after it, by the triangle inequality.
    for (let layer = 0; layer < layers; layer++) {
      const squared = (values: Float64Array) => values.reduce((sum, value) => sum + value * value, 0);
      const row = 20;
      const [before, after] = [stream[layer]!, stream[layer + 1]!].map((all) => all.subarray(row * d, (row + 1) * d)) as [
        Float64Array,
        Float64Array,
      ];
      const update = Math.sqrt(squared(after.map((value, i) => value - before[i]!)) / squared(before));
      const attention = Math.sqrt(scores[2 * layer * 48 + row]!);
      const mlp = Math.sqrt(scores[(2 * layer + 1) * 48 + row]!) * (1 + attention);
      expect(update).toBeLessThanOrEqual((attention + mlp) * (1 + 1e-6));
    }
    await expect(updateScores({ runner, tokens, standIns: new Float32Array(3) })).rejects.toThrow(/Stand-ins/);
  });

  it('let the oracle lose less than random tokens at the same net', async () => {
    const tokens = sequences[2]!;
    const scores = await updateScores({ runner, tokens });
    const kl = async (name: string): Promise<{ net: number; distance: number }> => {
      const policy = createPolicy(name, { shape: model.config, budget: { net: 0.7 }, options: { protectedBranches: [], pinnedTokens: 0 } });
      const sequence = runner.openSequence();
      const own = policy.open({ promptTokens: 48, scores });
      const outputs = Int32Array.from({ length: 48 }, (_, i) => i);
      const segments = [{ sequence, start: 0, length: 48, plan: 0 }];
      const { logits, macs, denseMacs } = await runner.step({ tokens, segments, outputs }, [own.plan(0, 48)]);
      runner.truncate(sequence, 0);
      const dense = await runner.step({ tokens, segments, outputs }, [densePlan(branches)]);
      runner.closeSequence(sequence);
      const distance = logits!.reduce((sum, value, i) => sum + (value - dense.logits![i]!) ** 2, 0);
      return { net: macs[0]! / denseMacs[0]!, distance };
    };
    const [oracle, random] = [await kl('oracle'), await kl('random')];
    expect(oracle.net).toBeLessThanOrEqual(0.7);
    expect(oracle.distance).toBeLessThan(random.distance);
  });
});

describe('withProfileStandIns', () => {
  it('gives skipping tokens the mean outputs, with and without gates', async () => {
    const adapter = withProfileStandIns(profile, model);
    expect(adapter.gates.standIns![3]).toEqual(profile.meanOutputs.slice(3 * d, 4 * d));
    const loaded = await referenceBackend.load(model, { adapter });
    const sequence = loaded.openSequence();
    const policy = createPolicy('static', {
      shape: model.config,
      budget: { skip: 0.1 },
      calibration: adapter.calibration,
      options: { branches: [3], pinnedTokens: 0 },
    });
    const plan = policy.open({ promptTokens: 2 }).plan(0, 2);
    const { hidden } = await loaded.step(
      {
        tokens: Int32Array.of(1, 2),
        segments: [{ sequence, start: 0, length: 2, plan: 0 }],
        outputs: new Int32Array(0),
        want: { hidden: true },
      },
      [plan],
    );
    expect(hidden!.outputs.slice(3 * 2 * d, 3 * 2 * d + d)).toEqual(adapter.gates.standIns![3]);
    await loaded.close();
    expect(() =>
      createPolicy('global-threshold', {
        shape: model.config,
        gates: adapter.gates.spec,
        calibration: adapter.calibration,
        budget: { skip: 0.1 },
      }),
    ).toThrow(/0 knots/);
    const again = withProfileStandIns({ ...profile, meanOutputs: profile.meanOutputs.map(() => 1) }, model, adapter);
    expect(again.gates.standIns![0]![0]).toBe(1);
  });
});
