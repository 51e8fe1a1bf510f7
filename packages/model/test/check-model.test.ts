import { expect, it } from 'vitest';
import { checkModel, createMemoryModel, type MemoryTensor, openModel, quantize, tensorShapes } from '../src/index.js';
import { testFolder, writeTestFile } from './support/folder.js';
import { tinyConfig, tinyGguf, tinyWeights } from './support/tiny-gguf.js';

const folder = testFolder();

it('a sound model is sound, and every value is counted', async () => {
  const model = await openModel(writeTestFile(folder, tinyGguf({ type: 'Q4_1' })));
  const progress: number[] = [];
  const report = await checkModel(model, { onProgress: ({ done }) => progress.push(done) });
  const values = [...tensorShapes(tinyConfig).values()].reduce((sum, [rows, columns]) => sum + rows * columns, 0);
  expect(report).toEqual({ ok: true, tensors: model.tensors.size, values, findings: [] });
  expect(progress.at(-1)).toBe(model.sizeBytes);
  await expect(checkModel(model, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'GS_ABORTED' });
  await model.close();
});

it('NaN and infinity are found in weights and in scales, with their place', async () => {
  const tensors = new Map<string, MemoryTensor>();
  for (const [name, [rows, columns]] of tensorShapes(tinyConfig))
    tensors.set(name, { type: 'F32', values: tinyWeights(name, rows * columns) });
  const norm = tinyWeights('outputNorm', 32);
  norm[5] = Number.NaN;
  tensors.set('outputNorm', { type: 'F32', values: norm });
  const bytes = quantize('Q8_0', tinyWeights('layers.1.mlpGate', 64 * 32));
  // The float16 scale of the third row's block: infinity, so all 32 values of it are.
  bytes.set([0x00, 0x7c], 2 * 34);
  tensors.set('layers.1.mlpGate', { type: 'Q8_0', bytes });
  const report = await checkModel(createMemoryModel(tinyConfig, tensors));
  expect(report.ok).toBe(false);
  const gate = report.findings.find((finding) => finding.tensor === 'layers.1.mlpGate');
  expect((gate?.infinite ?? 0) + (gate?.nan ?? 0)).toBe(32);
  expect(gate?.first).toEqual([2, 0]);
  expect(report.findings.find((finding) => finding.tensor === 'outputNorm')).toEqual({
    tensor: 'outputNorm',
    sourceName: 'outputNorm',
    nan: 1,
    infinite: 0,
    first: [0, 5],
  });
  expect(report.findings).toHaveLength(2);
});
