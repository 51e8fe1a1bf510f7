import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Runner } from '@gateskip/backend';
import { validateTrainStep } from '@gateskip/backend';
import { referenceBackend } from '@gateskip/backend-reference';
import { AbortedError, ClosedError, InvalidArgumentError } from '@gateskip/errors';
import { densePlan } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { runnerTeacher, TeacherNotFiniteError, type TeacherRows, type TrainingSequence } from '../../src/index.js';
import { randomSequences } from '../fit-request.js';
import { asciiModel, testFolder } from './support.js';

const model = asciiModel();
const { vocabularySize } = model.config;

function sequencesOf(count: number, length: number, seed = 1): TrainingSequence[] {
  return randomSequences(count, length, vocabularySize, seed).map((tokens) => ({ tokens, rowWeights: new Float32Array(length).fill(1) }));
}

/** Probabilities of all tokens at all rows, in double precision from the runner's float32 logits. */
async function softmaxRows(runner: Runner, { tokens }: TrainingSequence): Promise<Float64Array[]> {
  const sequence = runner.openSequence();
  const length = tokens.length;
  const outputs = Int32Array.from({ length }, (_, row) => row);
  const { logits } = await runner.step({ tokens, segments: [{ sequence, start: 0, length, plan: 0 }], outputs }, [
    densePlan(2 * runner.config.layers),
  ]);
  runner.closeSequence(sequence);
  return Array.from({ length }, (_, row) => {
    const own = Float64Array.from((logits as Float32Array).subarray(row * vocabularySize, (row + 1) * vocabularySize));
    const highest = Math.max(...own);
    const exp = own.map((logit) => Math.exp(logit - highest));
    const sum = exp.reduce((total, value) => total + value, 0);
    return exp.map((value) => value / sum);
  });
}

function expectRowsOf(rows: TeacherRows, truth: readonly Float64Array[]): void {
  const { count } = rows;
  for (const [row, probabilities] of truth.entries()) {
    const sorted = Array.from(probabilities, (p, token) => [p, token] as const).sort(([p, a], [q, b]) => q - p || a - b);
    let mass = 0;
    for (let i = 0; i < count; i++) {
      const [p, token] = sorted[i] as readonly [number, number];
      expect(rows.tokens[row * count + i]).toBe(token);
      mass += p;
      // binary16 keeps 11 bits; float32 of the log of the sum adds a few of its own steps near 10.
      const expected = Math.log(p);
      expect(Math.abs((rows.logProbabilities[row * count + i] as number) - expected)).toBeLessThan(
        Math.abs(expected) * 2 ** -11 + 2 ** -20,
      );
    }
    expect(Math.abs((rows.tailMass[row] as number) - (1 - mass))).toBeLessThan(2 ** -19);
  }
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile())
    .sort();
}

describe('runnerTeacher', () => {
  it('gives the likeliest tokens of the full softmax and the mass of the others, alone and side by side', async () => {
    const runner = await referenceBackend.load(model);
    const teacher = runnerTeacher({ runner, count: 12, maxRows: 40 });
    const sequences = [...sequencesOf(5, 17), ...sequencesOf(1, 100, 7), ...sequencesOf(2, 2, 3)];
    const all = await Promise.all(sequences.map((sequence) => teacher.rows(sequence)));
    for (const [index, rows] of all.entries()) expectRowsOf(rows, await softmaxRows(runner, sequences[index] as TrainingSequence));
    const alone = runnerTeacher({ runner, count: 12, cacheBytes: 0 });
    for (const [index, sequence] of sequences.entries()) expect(await alone.rows(sequence)).toEqual(all[index]);
    expect(runner.kvUsage().used).toBe(0);
    await teacher.close();
    // A runner that was handed in stays open.
    expect(runner.openSequence()).toBeGreaterThanOrEqual(0);
    await runner.close();
  });

  it('passes the checks of a training step, with all tokens too', async () => {
    const plan = densePlan(2 * model.config.layers);
    const [sequence] = sequencesOf(1, 30) as [TrainingSequence];
    for (const count of [1, 64, 1024]) {
      const teacher = runnerTeacher({ model, backend: referenceBackend, count });
      const rows = await teacher.rows(sequence);
      expect(rows.count).toBe(Math.min(count, vocabularySize));
      const input = { tokens: sequence.tokens, segmentLengths: Int32Array.of(30), plan, loss: { teacher: { ...rows, weight: 1 } } };
      const capabilities = { rules: ['keep'], scorers: ['none'], kvModes: ['project'] } as const;
      const context = { config: model.config, gates: undefined, detachGateInput: true, trainsGates: false, capabilities, maxRows: 30 };
      const checked = validateTrainStep(input, context, true);
      expect(checked.lossRows.length).toBe(30);
      if (count >= vocabularySize) expect([...rows.tailMass]).toEqual(Array(30).fill(0));
      await teacher.close();
    }
  });

  it('answers from memory within its bound, with the same numbers', async () => {
    const sequences = sequencesOf(3, 20);
    const [first, second, third] = sequences as [TrainingSequence, TrainingSequence, TrainingSequence];
    // 8 tokens of 2 bytes, 8 probabilities of 2 and 4 bytes of tail: 36 a row. Room for two sequences.
    const teacher = runnerTeacher({ model, backend: referenceBackend, count: 8, cacheBytes: 2 * 20 * 36 });
    const fresh = await teacher.rows(first);
    await teacher.rows(second);
    expect(await teacher.rows(first)).toEqual(fresh);
    expect(teacher.statistics).toEqual({ computedRows: 40, rowsFromMemory: 20, rowsFromDisk: 0 });
    await teacher.rows(third); // drives the second out
    await teacher.rows(first);
    expect(teacher.statistics.computedRows).toBe(60);
    expect(await teacher.rows(second)).toEqual(await runnerTeacher({ model, backend: referenceBackend, count: 8 }).rows(second));
    expect(teacher.statistics.computedRows).toBe(80);
    // What is handed out is the caller's: changing it changes nothing here.
    fresh.tailMass.fill(9);
    expect((await teacher.rows(first)).tailMass[0]).not.toBe(9);
    await teacher.close();
  });

  it('keeps rows in a folder and makes damaged ones anew', async () => {
    const cacheFolder = testFolder();
    const sequences = sequencesOf(4, 15);
    const open = () => runnerTeacher({ model, backend: referenceBackend, count: 10, cacheFolder });
    const ask = async () => {
      const teacher = open();
      const rows = await Promise.all(sequences.map((sequence) => teacher.rows(sequence)));
      await teacher.close();
      return { rows, statistics: teacher.statistics };
    };
    const fresh = await ask();
    expect(fresh.statistics.computedRows).toBe(60);
    const kept = files(cacheFolder);
    expect(kept).toHaveLength(4);
    const again = await ask();
    expect(again.rows).toEqual(fresh.rows);
    expect(again.statistics).toEqual({ computedRows: 0, rowsFromMemory: 0, rowsFromDisk: 60 });

    const [cut, flipped, foreign, swapped] = kept as [string, string, string, string];
    truncateSync(cut, statSync(cut).size - 1);
    const bytes = readFileSync(flipped);
    bytes[60] = (bytes[60] as number) ^ 1;
    writeFileSync(flipped, bytes);
    writeFileSync(foreign, 'something else');
    // Sound in itself, but of another sequence.
    writeFileSync(swapped, readFileSync(kept.find((path) => path !== swapped) as string));
    const repaired = await ask();
    expect(repaired.rows).toEqual(fresh.rows);
    expect(repaired.statistics.computedRows).toBe(60);
    expect((await ask()).statistics.rowsFromDisk).toBe(60);
  });

  it('does not mix models, counts or backends in one folder', async () => {
    const cacheFolder = testFolder();
    const [sequence] = sequencesOf(1, 12) as [TrainingSequence];
    for (const source of [
      { model, count: 5 },
      { model, count: 6 },
      { model: asciiModel({ seed: 8 }), count: 5 },
    ]) {
      const teacher = runnerTeacher({ ...source, backend: referenceBackend, cacheFolder });
      await teacher.rows(sequence);
      expect(teacher.statistics.rowsFromDisk).toBe(0);
      await teacher.close();
    }
    expect(readdirSync(cacheFolder)).toHaveLength(3);
  });

  it('loads no model where everything is kept', async () => {
    const cacheFolder = testFolder();
    const [sequence] = sequencesOf(1, 12) as [TrainingSequence];
    const teacher = runnerTeacher({ model, backend: referenceBackend, cacheFolder });
    const rows = await teacher.rows(sequence);
    await teacher.close();
    const broken = { ...referenceBackend, load: () => Promise.reject(new Error('must not load')) };
    const second = runnerTeacher({ model, backend: broken, cacheFolder });
    expect(await second.rows(sequence)).toEqual(rows);
    await second.close();
  });

  it('says what is wrong', async () => {
    const teacher = runnerTeacher({ model, backend: referenceBackend });
    const [sequence] = sequencesOf(1, 10) as [TrainingSequence];
    const other = (tokens: number[]): TrainingSequence => ({
      tokens: Int32Array.from(tokens),
      rowWeights: new Float32Array(tokens.length),
    });
    await expect(teacher.rows(other([1, vocabularySize]))).rejects.toThrow(InvalidArgumentError);
    await expect(teacher.rows(other(Array(model.config.contextLength + 1).fill(5)))).rejects.toThrow(InvalidArgumentError);
    await expect(teacher.rows(sequence, AbortSignal.abort())).rejects.toThrow(AbortedError);
    // One that stops does not take the others with it.
    const stop = new AbortController();
    const both = [teacher.rows(sequence), teacher.rows(sequencesOf(1, 11)[0] as TrainingSequence, stop.signal)] as const;
    stop.abort();
    await expect(both[1]).rejects.toThrow(AbortedError);
    expect((await both[0]).count).toBe(64);
    await teacher.close();
    await expect(teacher.rows(sequence)).rejects.toThrow(ClosedError);
    expect(() => runnerTeacher({ model, backend: referenceBackend, count: 0 })).toThrow(InvalidArgumentError);
    expect(() => runnerTeacher({ runner: { config: model.config, backend: 'x' } as Runner, cacheFolder: 'x' })).toThrow(/model/);
  });

  it('refuses predictions that are not finite', async () => {
    const wild = createRandomModel({ seed: 1 });
    const backend = {
      ...referenceBackend,
      load: async (...given: Parameters<typeof referenceBackend.load>) => {
        const runner = await referenceBackend.load(...given);
        const step: Runner['step'] = async (...args) => {
          const result = await runner.step(...args);
          (result.top?.logits as Float32Array)[3] = Number.NaN;
          return result;
        };
        return new Proxy(runner, { get: (target, name) => (name === 'step' ? step : bound(target, name)) });
      },
    };
    const teacher = runnerTeacher({ model: wild, backend });
    await expect(teacher.rows(sequencesOf(1, 6)[0] as TrainingSequence)).rejects.toThrow(TeacherNotFiniteError);
    await teacher.close();
  });
});

function bound(target: Runner, name: string | symbol): unknown {
  const value = Reflect.get(target, name) as unknown;
  return typeof value === 'function' ? value.bind(target) : value;
}
