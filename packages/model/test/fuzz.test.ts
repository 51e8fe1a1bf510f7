import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isGateskipError } from '@gateskip/errors';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openModel, readAdapter, writeAdapter } from '../src/index.js';
import { testFolder } from './support/folder.js';
import { tinyAdapter } from './support/tiny-adapter.js';
import { tinyBackbone } from './support/tiny-backbone.js';
import { writeCheckpoint } from './support/tiny-checkpoint.js';
import { tinyGguf } from './support/tiny-gguf.js';

const folder = testFolder();

/** Bytes to set, mostly in the header, and where to cut. */
const damage = (headerBytes: number, size: number) =>
  fc.record({
    edits: fc.array(
      fc.tuple(
        fc.oneof({ weight: 4, arbitrary: fc.nat(headerBytes - 1) }, fc.nat(size - 1)),
        fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)),
      ),
      { maxLength: 6 },
    ),
    cut: fc.option(fc.nat(size), { freq: 4 }),
  });

function apply(sound: Uint8Array, { edits, cut }: { edits: [number, number][]; cut: number | null }): Uint8Array {
  const bytes = Uint8Array.from(sound);
  for (const [at, value] of edits) bytes[at] = value;
  return cut === null ? bytes : bytes.subarray(0, cut);
}

/** Either it works or it is refused by name; it never throws anything else and never takes long. */
async function survives(use: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  try {
    await use();
  } catch (error) {
    expect(isGateskipError(error), `${(error as Error).stack}`).toBe(true);
  }
  expect(performance.now() - start).toBeLessThan(2000);
}

it('a damaged GGUF opens or is refused by a typed error', async () => {
  const sound = tinyGguf();
  const path = join(folder, 'fuzz.gguf');
  await fc.assert(
    fc.asyncProperty(damage(8000, sound.length), async (change) => {
      writeFileSync(path, apply(sound, change));
      await survives(async () => {
        const model = await openModel(path);
        try {
          model.tokenizer?.decode(model.tokenizer.encode('hello world <|end|>', { special: true }));
          await model.read('layers.0.query');
        } finally {
          await model.close();
        }
      });
    }),
    { numRuns: 400 },
  );
});

it('a damaged safetensors file opens or is refused by a typed error', async () => {
  const checkpoint = await writeCheckpoint(join(folder, 'checkpoint'));
  const path = join(checkpoint, 'model.safetensors');
  const sound = readFileSync(path);
  await fc.assert(
    fc.asyncProperty(damage(2400, sound.length), async (change) => {
      writeFileSync(path, apply(sound, change));
      await survives(async () => (await openModel(path)).close());
    }),
    { numRuns: 300 },
  );
});

it.each([
  ['gates alone', tinyAdapter({ variant: 'low-rank', rank: 2 })],
  ['backbone changes', { ...tinyAdapter(), backbone: tinyBackbone({ norms: ['outputNorm'] }) }],
])('a damaged gate file is read or refused by a typed error: %s', async (_name, adapter) => {
  const path = join(folder, 'fuzz.gate.safetensors');
  await writeAdapter(path, adapter);
  const sound = readFileSync(path);
  await fc.assert(
    fc.asyncProperty(damage(Math.min(sound.length, 3000), sound.length), async (change) => {
      writeFileSync(path, apply(sound, change));
      await survives(() => readAdapter(path));
    }),
    { numRuns: 300 },
  );
});
