import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { referenceBackend } from '@gateskip/backend-reference';
import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, densePlan } from '@gateskip/gate';
import {
  AdapterMismatchError,
  assertAdapterFits,
  dequantize,
  type GateAdapter,
  type Model,
  ModelExistsError,
  ModelNotWritableError,
  normNames,
  openModel,
  readAdapter,
  tensorShapes,
  writeModel,
} from '@gateskip/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runnerTeacher } from '../../src/data/runner-teacher.js';
import type { Teacher } from '../../src/data/training-text.js';
import { type TrainingRecipe, type TrainRequest, trainAdapter } from '../../src/index.js';
import { readCheckpoint } from '../../src/run/read-checkpoint.js';
import { checkpointModel, ggufModel } from './file-models.js';
import { smallRecipe, smallRequest, testFolder } from './small-run.js';

const folder = testFolder();
const forms = ['gguf', 'safetensors'] as const;
type Form = (typeof forms)[number];
const models = {} as Record<Form, Model>;
const teachers = {} as Record<Form, Teacher & { close(): Promise<void> }>;
let counter = 0;
const target = (): string => join(folder, `new-${counter++}`);

beforeAll(async () => {
  models.gguf = await ggufModel(folder);
  models.safetensors = await checkpointModel(folder);
  for (const form of forms) teachers[form] = runnerTeacher({ model: models[form], backend: referenceBackend, count: 48 });
});
afterAll(async () => {
  for (const form of forms) {
    await teachers[form].close();
    await models[form].close();
  }
});

/** The published recipe with rates for a small model and few steps. */
const recipe = (change: Partial<TrainingRecipe> = {}): TrainingRecipe => {
  const paper = smallRecipe('paper-full');
  return {
    ...paper,
    optimizer: { ...paper.optimizer, rates: { gates: 0.003, norms: 0.003, backbone: 0.003 } },
    batch: { rows: 80, accumulate: 2 },
    tokens: 160 * 8,
    heldOut: { ...paper.heldOut, tokens: 80, budgets: [0.2], everyTokens: 160 * 4 },
    checkpointSeconds: 0,
    ...change,
  };
};

function request(form: Form, more: Partial<TrainRequest> = {}): TrainRequest {
  return smallRequest(more.recipe ?? recipe(), { model: models[form], teacher: teachers[form], outModel: { path: target() }, ...more });
}

async function lossesOf(path: string): Promise<number[]> {
  const lines = readFileSync(join(path, 'log.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line)).flatMap(({ kind, parts }) => (kind === 'step' ? [parts.crossEntropy as number] : []));
}

const tokens = Int32Array.from({ length: 24 }, (_, i) => (7 * i + 3) % 48);

/** Logits of every token, nothing skipped; with an adapter at a fifth of each branch's tokens. */
async function logitsOf(model: Model, adapter?: GateAdapter): Promise<Float32Array> {
  const runner = await referenceBackend.load(model, adapter ? { adapter } : {});
  const branches = branchCount(model.config);
  const plan = adapter
    ? { ...densePlan(branches), scorer: 'gate', rules: Array(branches).fill('quantile'), values: new Float32Array(branches).fill(0.2) }
    : densePlan(branches);
  const sequence = runner.openSequence();
  const { logits } = await runner.step(
    {
      tokens,
      segments: [{ sequence, start: 0, length: tokens.length, plan: 0 }],
      outputs: Int32Array.from(tokens, (_, row) => row),
    },
    [{ ...plan, kv: 'alias' } as ReturnType<typeof densePlan>],
  );
  await runner.close();
  return logits as Float32Array;
}

describe.each(forms)('the whole model of a %s source', (form) => {
  it('written as it is gives the same logits', async () => {
    const path = target();
    await writeModel(models[form], new Map(), path);
    const written = await openModel(path);
    expect(await logitsOf(written)).toEqual(await logitsOf(models[form]));
    await written.close();
  });

  it('is trained, written, and what runs is what was trained', async () => {
    const runFolder = target();
    const outModel = { path: target() };
    const { adapter, model: written, report } = await trainAdapter(request(form, { folder: runFolder, outModel }));
    const losses = await lossesOf(runFolder);
    expect(losses).toHaveLength(8);
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.1);
    expect(report.parameters).toBeGreaterThan([...tensorShapes(models[form].config).values()].reduce((sum, [r, c]) => sum + r * c, 0));

    const model = await openModel(outModel.path);
    expect(written).toMatchObject({ path: outModel.path, type: 'F32', fingerprint: model.fingerprint });
    assertAdapterFits(adapter, model);
    expect(() => assertAdapterFits(adapter, models[form])).toThrow(AdapterMismatchError);
    expect(adapter.backbone).toBeUndefined();
    expect(adapter.calibration.curve.length).toBeGreaterThan(1);
    assertAdapterFits(await readAdapter(join(runFolder, 'adapter.safetensors')), model);

    // Every array of the last checkpoint is in the file, norm weights too, and none of them is what it was.
    const last = readdirSync(runFolder)
      .filter((name) => name.startsWith('checkpoint-'))
      .sort()
      .at(-1)!;
    const { blobs } = await readCheckpoint(join(runFolder, last));
    const trainer = await referenceBackend.loadTrainer!(models[form], { trainable: ['norms', 'backbone'] });
    for (const { name, value } of trainer.parameters) {
      const trained = new Float32Array(blobs.get(`value.${name}`)!.buffer as ArrayBuffer);
      expect(trained, name).not.toEqual(value);
      expect(dequantize('F32', await model.read(name), value.length), name).toEqual(trained);
      value.set(trained);
    }
    expect(trainer.parameters.map(({ name }) => name)).toEqual(expect.arrayContaining(normNames(model.config.layers)));

    const evaluated = await trainer.evaluate({
      tokens,
      segmentLengths: Int32Array.of(tokens.length),
      plan: densePlan(branchCount(model.config)),
      loss: { rowWeights: new Float32Array(tokens.length).fill(1), crossEntropy: { targets: tokens, weight: 1 } },
      want: { logits: Int32Array.from(tokens, (_, row) => row) },
    });
    await trainer.close();
    const logits = await logitsOf(model);
    // Both compute in float64 and round to float32 at the end.
    const worst = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - evaluated.logits![i]!)), 0);
    expect(worst).toBeLessThanOrEqual(1e-5);
    const before = await logitsOf(models[form]);
    expect(logits.some((value, i) => Math.abs(value - before[i]!) > 0.01)).toBe(true);
    const skipping = await logitsOf(model, adapter);
    expect(skipping.every(Number.isFinite)).toBe(true);
    expect(skipping).not.toEqual(logits);
    await model.close();
  });
});

describe('a run that trains the whole model', () => {
  it('goes on in the same bits, and has no adapter before it has a model', async () => {
    const whole = request('gguf');
    const unbroken = await trainAdapter(whole);
    for (const steps of [1, 5]) {
      const runFolder = target();
      const controller = new AbortController();
      const onProgress: TrainRequest['onProgress'] = ({ training }) => {
        if (training && training.step >= steps) controller.abort();
      };
      const outModel = { path: target() };
      const stopped = trainAdapter(request('gguf', { folder: runFolder, outModel, signal: controller.signal, onProgress }));
      await expect(stopped).rejects.toMatchObject({ code: 'GS_ABORTED' });
      expect(existsSync(outModel.path)).toBe(false);
      expect(existsSync(join(runFolder, 'adapter.safetensors'))).toBe(false);
      const resumed = await trainAdapter(request('gguf', { folder: runFolder, outModel, resume: true }));
      expect(resumed.adapter).toEqual(unbroken.adapter);
      expect(resumed.report.looks).toEqual(unbroken.report.looks);
      expect(Buffer.compare(readFileSync(outModel.path), readFileSync(whole.outModel!.path))).toBe(0);
    }
  });

  it('leaves no model without its adapter, and makes both when it goes on', async () => {
    for (const phase of ['write', 'calibrate'] as const) {
      const runFolder = target();
      const outModel = { path: target() };
      const controller = new AbortController();
      const onProgress: TrainRequest['onProgress'] = (progress) => {
        if (progress.phase === phase) controller.abort();
      };
      const short = recipe({ tokens: 160 });
      const more = { recipe: short, folder: runFolder, outModel };
      const stopped = trainAdapter(request('safetensors', { ...more, signal: controller.signal, onProgress }));
      await expect(stopped).rejects.toMatchObject({ code: 'GS_ABORTED' });
      expect(existsSync(outModel.path)).toBe(false);
      const resumed = await trainAdapter(request('safetensors', { ...more, resume: true }));
      expect(resumed.model?.path).toBe(outModel.path);
      expect(existsSync(join(outModel.path, 'model.safetensors'))).toBe(true);
    }
  });

  it('writes narrower types, and calibrates what it wrote', async () => {
    const outModel = { path: target(), type: 'Q8_0' } as const;
    const { adapter, model: written } = await trainAdapter(request('gguf', { recipe: recipe({ tokens: 160 }), outModel }));
    const model = await openModel(outModel.path);
    expect(model.tensors.get('layers.0.query')!.type).toBe('Q8_0');
    expect(written).toMatchObject({ type: 'Q8_0', sizeBytes: readFileSync(outModel.path).length });
    assertAdapterFits(adapter, model);
    await model.close();
  });

  it('starts from adapters: gates and norm weights are taken, low-rank additions refused', async () => {
    const short = { tokens: 160 };
    const start = async (from: TrainingRecipe): Promise<GateAdapter> => {
      const { outModel: _, ...plain } = request('safetensors', { recipe: from });
      return (await trainAdapter(plain)).adapter;
    };
    const paper = smallRecipe('paper', { ...recipe(short), trainable: ['gates', 'norms'], name: 'paper' });
    const gates = await start(paper);
    expect(gates.backbone?.norms?.size).toBe(5);
    const rates = { gates: 0, norms: 0, backbone: 0 };
    const still = recipe({ ...short, optimizer: { ...recipe().optimizer, rates } });
    const outModel = { path: target() };
    const { adapter } = await trainAdapter(request('safetensors', { recipe: still, start: gates, outModel }));
    expect(adapter.gates).toEqual(gates.gates);
    const model = await openModel(outModel.path);
    for (const [name, weights] of gates.backbone!.norms!) expect(dequantize('F32', await model.read(name), 16)).toEqual(weights);
    await model.close();
    const lora = { rank: 2, alpha: 4, matrices: ['query'] } as const;
    const added = { gates: 0.001, lora: 0.001 };
    const additions = await start({ ...paper, trainable: ['gates', 'lora'], lora, optimizer: { ...paper.optimizer, rates: added } });
    await expect(trainAdapter(request('safetensors', { start: additions }))).rejects.toThrow(/low-rank additions of rank 2/);
  });

  it('is refused before it starts where its model cannot be written', async () => {
    const refused = async (more: Partial<TrainRequest>): Promise<unknown> => {
      const runFolder = target();
      const error = await trainAdapter(request('gguf', { folder: runFolder, ...more })).catch((caught: unknown) => caught);
      expect(existsSync(runFolder)).toBe(false);
      return error;
    };
    const { outModel: _, ...nowhere } = request('gguf');
    const runFolder = target();
    await expect(trainAdapter({ ...nowhere, folder: runFolder })).rejects.toThrow(/no place to write it/);
    expect(existsSync(runFolder)).toBe(false);
    expect(await refused({ recipe: smallRecipe('paper') })).toBeInstanceOf(InvalidArgumentError);
    expect(await refused({ model: smallRequest(recipe()).model })).toBeInstanceOf(ModelNotWritableError);
    const there = target();
    writeFileSync(there, 'mine');
    expect(await refused({ outModel: { path: there } })).toBeInstanceOf(ModelExistsError);
    const place = target();
    mkdirSync(place);
    expect(await refused({ outModel: { path: place, force: true } })).toBeInstanceOf(ModelNotWritableError);
    expect(readFileSync(there, 'utf8')).toBe('mine');
  });
});
