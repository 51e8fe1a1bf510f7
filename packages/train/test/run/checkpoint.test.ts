import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Trainer, TrainerParameter } from '@gateskip/backend';
import { describe, expect, it } from 'vitest';
import { AdamW, CheckpointInvalidError, encodeAdamWState } from '../../src/index.js';
import { bytesOf, type Checkpoint, checkpointPieces, float32Blob, PIECE_BYTES } from '../../src/run/checkpoint.js';
import { readCheckpoint } from '../../src/run/read-checkpoint.js';
import { type RunState, restoreRun, runCheckpoint } from '../../src/run/run-state.js';
import { ScoreHistogram } from '../../src/run/score-histogram.js';
import type { SkipPlanner, SkipPlannerState } from '../../src/run/skip-planner.js';
import { writeWhole } from '../../src/run/write-whole.js';
import { testFolder } from './small-run.js';

const folder = testFolder();
const path = join(folder, 'checkpoint.bin');
const written = (checkpoint: Checkpoint): Buffer => Buffer.concat([...checkpointPieces(checkpoint)]);
const readBack = async (bytes: Uint8Array): Promise<Checkpoint> => {
  writeFileSync(path, bytes);
  return readCheckpoint(path);
};

describe('checkpoints', () => {
  const values = Float32Array.of(1, -0, Number.NaN, 2 ** -149);
  const checkpoint = {
    state: { step: 3, name: 'ä' },
    blobs: new Map([
      ['value.a', bytesOf(values)],
      ['odd', Uint8Array.of(1, 2, 3)],
      ['empty', new Uint8Array(0)],
    ]),
  };
  const bytes = written(checkpoint);

  it('give back the same bits', async () => {
    const read = await readBack(bytes);
    expect(read.state).toEqual({ step: 3, name: 'ä' });
    expect(bytesOf(float32Blob(read, 'value.a', 4, 'a'))).toEqual(bytesOf(values));
    expect(() => float32Blob(read, 'value.a', 5, 'a')).toThrow(/16 bytes, 20 are needed/);
    expect(() => float32Blob(read, 'value.b', 5, 'a')).toThrow(/no bytes/);
  });

  it('notice every changed byte and every cut', async () => {
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= 1;
      await expect(readBack(damaged)).rejects.toThrow(CheckpointInvalidError);
      await expect(readBack(bytes.subarray(0, at))).rejects.toThrow(/Checkpoint .*checkpoint\.bin/);
    }
    await expect(readBack(Buffer.concat([bytes, Buffer.alloc(8)]))).rejects.toThrow(CheckpointInvalidError);
  });

  it('allocate nothing for lengths that are not there', async () => {
    const header = Buffer.from(JSON.stringify({ state: 0, blobs: [['huge', 2 ** 52]] }));
    const hostile = Buffer.concat([Buffer.from('GSTRAIN1'), Buffer.alloc(4), header, Buffer.alloc(64)]);
    hostile.writeUInt32LE(header.length, 8);
    await expect(readBack(hostile)).rejects.toThrow(/bytes are needed/);
  });

  it('of arrays longer than a piece are written and read in several', async () => {
    const long = Float32Array.from({ length: PIECE_BYTES / 4 + 3 }, (_, i) => i);
    const pieces = checkpointPieces({ state: 0, blobs: new Map([['long', bytesOf(long)]]) });
    await writeWhole(path, pieces);
    const { blobs } = await readCheckpoint(path);
    expect(Buffer.compare(blobs.get('long')!, bytesOf(long))).toBe(0);
  });

  it('of a run hold the arrays as they lie in memory, and those of earlier versions are read too', async () => {
    const parameter = (name: string): TrainerParameter => ({
      name,
      group: 'gates',
      shape: [3],
      value: Float32Array.of(1, 2, 3),
      gradient: Float32Array.of(0.1, 0.2, 0.3),
    });
    const parts = () => {
      const trainer = { parameters: [parameter('a'), parameter('b')] } as unknown as Trainer;
      const known = { denseMacs: 1, correction: 1, rowsPerMac: 0, bins: new Float64Array(ScoreHistogram.length) };
      let restored: SkipPlannerState | undefined;
      const planner = { state: () => restored ?? known, restore: (state: SkipPlannerState) => (restored = state) };
      return { trainer, optimizer: new AdamW(trainer.parameters), planner: planner as unknown as SkipPlanner };
    };
    const run = parts();
    await run.optimizer.update(0.1);
    const state = { step: 1, tokens: 2, progress: 0, elapsedMs: 3, position: { epoch: 0, index: 1 }, looks: [] } as unknown as RunState;
    const now = runCheckpoint(state, run);
    expect(now.blobs.get('value.a')!.buffer).toBe(run.trainer.parameters[0]!.value.buffer);
    const { optimizerStep: _, ...before } = now.state as { optimizerStep: number };
    const kept = [...now.blobs].filter(([name]) => !/^(first|second)/.test(name));
    const earlier = { state: before, blobs: new Map([...kept, ['optimizer', encodeAdamWState(run.optimizer.state())]]) };
    for (const each of [now, earlier] as Checkpoint[]) {
      await writeFile(path, written(each));
      const other = parts();
      expect(restoreRun(await readCheckpoint(path), path, other)).toEqual(state);
      expect(other.optimizer.state()).toEqual(run.optimizer.state());
      expect(other.trainer.parameters.map(({ value }) => value)).toEqual(run.trainer.parameters.map(({ value }) => value));
    }
    const without = { ...earlier, blobs: new Map(kept) };
    expect(() => restoreRun(without, path, parts())).toThrow(/lacks the optimiser/);
  });
});
