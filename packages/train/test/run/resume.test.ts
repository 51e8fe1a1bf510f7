import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CheckpointInvalidError, RunFolderError, type TrainRequest, type TrainResult, trainAdapter } from '../../src/index.js';
import { smallRecipe, smallRequest, smallText, testFolder } from './small-run.js';

const folder = testFolder();
// Kept after every step, so that a run may be stopped anywhere.
const recipe = smallRecipe('lora', { checkpointSeconds: 0, batch: { rows: 40, accumulate: 2 }, tokens: 80 * 12 });

/** Lets a run go until it has made some steps, then aborts it. */
async function interrupted(path: string, steps: number, more: Partial<TrainRequest> = {}): Promise<void> {
  const controller = new AbortController();
  const onProgress: TrainRequest['onProgress'] = ({ training }) => {
    if (training && training.step >= steps) controller.abort();
  };
  const run = trainAdapter(smallRequest(recipe, { folder: path, signal: controller.signal, onProgress, ...more }));
  await expect(run).rejects.toMatchObject({ code: 'GS_ABORTED' });
}

/** The log without what a clock says. */
async function logOf(path: string): Promise<unknown[]> {
  const lines = (await readFile(join(path, 'log.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => {
    const { ms: _, ...rest } = JSON.parse(line);
    return rest;
  });
}

function sameBits(a: TrainResult, b: TrainResult): void {
  expect(a.adapter).toEqual(b.adapter);
  expect(a.report.looks).toEqual(b.report.looks);
}

describe('a run that goes on', () => {
  it('ends in the same bits as one that was never interrupted, wherever it was stopped', async () => {
    const whole = join(folder, 'whole');
    const unbroken = await trainAdapter(smallRequest(recipe, { folder: whole }));
    for (const steps of [1, 5, 11]) {
      const path = join(folder, `stopped-${steps}`);
      await interrupted(path, steps);
      const resumed = await trainAdapter(smallRequest(recipe, { folder: path, resume: true }));
      sameBits(resumed, unbroken);
      expect(await logOf(path)).toEqual(await logOf(whole));
      expect((await readdir(path)).filter((name) => name.startsWith('checkpoint-'))).toHaveLength(2);
    }
  });

  it('takes the older checkpoint where the newer one is torn, and drops half a line of the log', async () => {
    const path = join(folder, 'torn');
    await interrupted(path, 6);
    const names = (await readdir(path)).filter((name) => name.startsWith('checkpoint-')).sort();
    await truncate(join(path, names[1]!), 1000);
    await appendFile(join(path, 'log.jsonl'), '{"kind":"step","st');
    const resumed = await trainAdapter(smallRequest(recipe, { folder: path, resume: true }));
    sameBits(resumed, await trainAdapter(smallRequest(recipe)));
  });

  it('refuses where all checkpoints are damaged', async () => {
    const path = join(folder, 'damaged');
    await interrupted(path, 3);
    for (const name of (await readdir(path)).filter((each) => each.startsWith('checkpoint-')))
      await writeFile(join(path, name), 'GSTRAIN1');
    await expect(trainAdapter(smallRequest(recipe, { folder: path, resume: true }))).rejects.toThrow(CheckpointInvalidError);
  });

  it('refuses another text, recipe or precision, and a folder with a run where none is resumed', async () => {
    const path = join(folder, 'other');
    await interrupted(path, 2);
    const rejects = (request: TrainRequest) => expect(trainAdapter(request)).rejects.toThrow(RunFolderError);
    await rejects(smallRequest(recipe, { folder: path }));
    await rejects(smallRequest(recipe, { folder: path, resume: true, text: smallText(2) }));
    await rejects(smallRequest({ ...recipe, seed: 2 }, { folder: path, resume: true }));
    await rejects(smallRequest(recipe, { folder: path, resume: true, extra: { precision: 'f32' } }));
  });

  it('begins where there is nothing to resume', async () => {
    const { report } = await trainAdapter(smallRequest(recipe, { folder: join(folder, 'fresh'), resume: true }));
    expect(report.steps).toBe(12);
  });

  it('leaves a checkpoint and whole files when aborted before the first step', async () => {
    const path = join(folder, 'early');
    const controller = new AbortController();
    const onProgress: TrainRequest['onProgress'] = ({ phase }) => {
      if (phase === 'look') controller.abort();
    };
    const run = trainAdapter(smallRequest(recipe, { folder: path, signal: controller.signal, onProgress }));
    await expect(run).rejects.toMatchObject({ code: 'GS_ABORTED' });
    expect((await readdir(path)).filter((name) => name.endsWith('.part'))).toEqual([]);
    sameBits(await trainAdapter(smallRequest(recipe, { folder: path, resume: true })), await trainAdapter(smallRequest(recipe)));
  });
});
