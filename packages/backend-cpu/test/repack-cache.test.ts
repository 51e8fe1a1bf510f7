import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadOptions, Runner } from '@gateskip/backend';
import { branchCount, densePlan } from '@gateskip/gate';
import { createRandomModel, type Model } from '@gateskip/model';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findAddon } from '../src/addon.js';
import { cpuBackend, inspectRepackCache, REPACK_CACHE_VARIABLE } from '../src/index.js';
import { loadRequest } from '../src/load-request.js';
import { evictRepackCache, repackCacheRequest } from '../src/repack-cache.js';
import { type FileModel, toFile } from './file-model.js';
import { plainStep } from './support/plain-step.js';

const code = (expected: string) => expect.objectContaining({ code: expected });
const root = mkdtempSync(join(tmpdir(), 'gateskip-repack-'));
const on = { extra: { repackCache: true }, threads: 2 };
let cacheDir = '';
let file: FileModel;

beforeEach(async () => {
  cacheDir = mkdtempSync(join(root, 'cache-'));
  vi.stubEnv('GATESKIP_CACHE_DIR', cacheDir);
  file = await toFile(createRandomModel({ seed: 5, type: 'Q4_1' }));
});
afterEach(() => {
  file.remove();
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const folder = () => join(cacheDir, 'repacked');
const packed = () => readdirSync(folder()).filter((name) => name.endsWith('.packed'));
const only = () => {
  expect(packed()).toHaveLength(1);
  return join(folder(), packed()[0] as string);
};

async function logits(runner: Runner): Promise<Float32Array> {
  const sequence = runner.openSequence();
  const input = { tokens: Int32Array.of(1, 2, 3), segments: [{ sequence, start: 0, length: 3, plan: 0 }], outputs: Int32Array.of(2) };
  const result = await runner.step(input, [densePlan(branchCount(runner.config))]);
  runner.closeSequence(sequence);
  return result.logits as Float32Array;
}

/** Outcome of one load with the cache on, and what the model answers. */
async function load(model: Model = file.model, options: object = on): Promise<{ outcome: unknown; answer: Float32Array }> {
  const runner = await cpuBackend.load(model, options);
  try {
    return { outcome: runner.details.repackCache, answer: await logits(runner) };
  } finally {
    await runner.close();
  }
}

describe('the cache of repacked weights', () => {
  it('is written by the first load and mapped by the next, for the same bits; off unless asked for', async () => {
    const plain = await load(file.model, {});
    expect(plain.outcome).toBeUndefined();
    expect(existsSync(folder())).toBe(false);
    expect((await load()).outcome).toBe('written');
    expect(statSync(only()).mode & 0o777).toBe(0o600);
    expect(statSync(folder()).mode & 0o777).toBe(0o700);
    const second = await load();
    expect(second.outcome).toBe('read');
    expect(second.answer).toEqual(plain.answer);
    vi.stubEnv(REPACK_CACHE_VARIABLE, '1');
    expect((await load(file.model, {})).outcome).toBe('read');
    expect((await load(file.model, { extra: { repackCache: false } })).outcome).toBeUndefined();
    const report = await inspectRepackCache();
    expect(report).toEqual({ enabled: true, folder: folder(), files: 1, bytes: statSync(only()).size });
  });

  it('has nothing for models in memory, and other models have files of their own', async () => {
    expect((await load(createRandomModel({ seed: 5, type: 'Q4_1' }))).outcome).toBeUndefined();
    expect((await load()).outcome).toBe('written');
    const other = await toFile(createRandomModel({ seed: 6, type: 'Q8_0' }));
    expect((await load(other.model)).outcome).toBe('written');
    expect(packed()).toHaveLength(2);
    expect((await load()).outcome).toBe('read');
    other.remove();
  });

  it('is built again when the model file was touched, replaced or written to', async () => {
    await load();
    utimesSync(file.path, new Date(), new Date(Date.now() - 5000));
    expect((await load()).outcome).toBe('written');
    const copy = `${file.path}.copy`;
    copyFileSync(file.path, copy);
    renameSync(copy, file.path);
    expect((await load()).outcome).toBe('written');
    // Other weights behind the same description: only the file's own times tell.
    const { answer } = await load();
    const bytes = readFileSync(file.path);
    bytes.fill(0x11, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 4096);
    writeFileSync(file.path, bytes);
    const changed = await load();
    expect(changed.outcome).toBe('written');
    expect(changed.answer).not.toEqual(answer);
    expect((await load()).answer).toEqual(changed.answer);
  });

  it('is built again from any damaged byte, cut or lengthened file, and answers right meanwhile', async () => {
    const { answer } = await load();
    const path = only();
    const sound = readFileSync(path);
    const damage = fc.oneof(
      // In the header, which is small, as often as anywhere.
      fc.record({ kind: fc.constant('flip'), at: fc.nat(95), bit: fc.nat(7) }),
      fc.record({ kind: fc.constant('flip'), at: fc.nat(sound.length - 1), bit: fc.nat(7) }),
      fc.record({ kind: fc.constant('cut'), at: fc.nat(sound.length - 1), bit: fc.nat(7) }),
      fc.record({ kind: fc.constant('add'), at: fc.integer({ min: 1, max: 9000 }), bit: fc.nat(7) }),
    );
    await fc.assert(
      fc.asyncProperty(damage, async ({ kind, at, bit }) => {
        const bytes =
          kind === 'flip' ? Buffer.from(sound) : kind === 'cut' ? sound.subarray(0, at) : Buffer.concat([sound, Buffer.alloc(at)]);
        if (kind === 'flip') bytes[at] = (bytes[at] as number) ^ (1 << bit);
        writeFileSync(path, bytes);
        const { outcome, answer: again } = await load();
        // The rest of the page behind the header is the one place that nothing reads.
        expect(outcome, `${kind} at ${at}`).toBe(kind === 'flip' && at >= 80 && at < 4096 ? 'read' : 'written');
        expect(again).toEqual(answer);
        expect(readFileSync(path).length).toBe(sound.length);
      }),
      { numRuns: 60 },
    );
  });

  it('is not read in another layout, with a checksum that does not fit, by a link, or where others may write it', async () => {
    const { answer } = await load();
    const path = only();
    const sound = readFileSync(path);
    const header = (offset: number, value: number): Buffer => {
      const bytes = Buffer.from(sound);
      bytes.writeUInt32LE(value, offset);
      return bytes;
    };
    // Format, byte order, layout, layout's digest, key, its length, source, size, checksums.
    for (const offset of [8, 12, 16, 24, 32, 40, 48, 56, 64, 72]) {
      writeFileSync(path, header(offset, 0x7fffffff));
      expect((await load()).outcome, `offset ${offset}`).toBe('written');
    }
    chmodSync(path, 0o622);
    expect((await load()).outcome).toBe('written');
    const elsewhere = join(root, 'elsewhere');
    writeFileSync(elsewhere, readFileSync(path), { mode: 0o600 });
    rmSync(path);
    symlinkSync(elsewhere, path);
    const linked = await load();
    expect(linked.outcome).toBe('written');
    expect(linked.answer).toEqual(answer);
    rmSync(path);
    mkdirSync(path);
    const blocked = await load();
    expect(blocked.outcome).toMatch(/^not written: its file/);
    expect(blocked.answer).toEqual(answer);
    expect(readdirSync(folder()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('that is cut short while it is in use ends the step with an error, not the process', async () => {
    await load();
    const runner = await cpuBackend.load(file.model, on);
    expect(runner.details.repackCache).toBe('read');
    truncateSync(only(), 4096);
    await expect(logits(runner)).rejects.toEqual(code('GS_MODEL_IO'));
    await expect(logits(runner)).rejects.toEqual(code('GS_MODEL_IO'));
    await runner.close();
    expect((await load()).outcome).toBe('written');
    const fresh = await load();
    expect(fresh.outcome).toBe('read');
  });

  it('stays in use after its file is removed', async () => {
    const { answer } = await load();
    const runner = await cpuBackend.load(file.model, on);
    rmSync(folder(), { recursive: true });
    expect(await logits(runner)).toEqual(answer);
    await runner.close();
  });

  it('that cannot be written is no error', async () => {
    writeFileSync(folder(), 'a file where the folder should be');
    const { outcome, answer } = await load();
    expect(outcome).toMatch(/^not used: /);
    expect(answer).toEqual((await load(file.model, {})).answer);
    expect((await load(file.model, { extra: { repackCache: true, repackCacheBytes: 1 } })).outcome).toMatch(/larger than 1 bytes/);
  });

  it('keeps to its size: the files that were used longest ago go, and what a crashed writer left', async () => {
    mkdirSync(folder(), { recursive: true });
    const put = (name: string, ageSeconds: number): void => {
      writeFileSync(join(folder(), name), Buffer.alloc(1000));
      const then = new Date(Date.now() - ageSeconds * 1000);
      utimesSync(join(folder(), name), then, then);
    };
    put('a.packed', 30);
    put('b.packed', 10);
    put('c.packed', 20);
    put('c.packed.123.tmp', 4000);
    put('d.packed.124.tmp', 10);
    await evictRepackCache(2500);
    expect(readdirSync(folder()).sort()).toEqual(['b.packed', 'c.packed', 'd.packed.124.tmp']);
    await evictRepackCache(999);
    expect(packed()).toEqual([]);
  });

  it('refuses options that it cannot serve', async () => {
    const refused: LoadOptions['extra'][] = [
      { repackCache: 'yes' },
      { repackCache: true, repackCacheBytes: 0 },
      { repackCache: true, repackCacheBytes: '1' },
    ];
    for (const extra of refused)
      await expect(cpuBackend.load(file.model, { extra }), JSON.stringify(extra)).rejects.toEqual(code('GS_INVALID_ARGUMENT'));
  });

  it('loads of one model at the same moment all answer right, and leave one sound file', async () => {
    const expected = (await load(file.model, {})).answer;
    const results = await Promise.all(Array.from({ length: 8 }, () => load()));
    for (const { answer, outcome } of results) {
      expect(answer).toEqual(expected);
      expect(outcome === 'read' || outcome === 'written' || outcome === 'not written: another process writes one').toBe(true);
    }
    expect((await load()).outcome).toBe('read');
    expect(readdirSync(folder()).sort()).toEqual(['lock', packed()[0]].sort());
  });

  it('processes that write, read and damage it at once never crash and never answer wrong', async () => {
    const expected = Buffer.from((await load(file.model, {})).answer.buffer).toString('base64');
    const found = findAddon();
    if (!('addon' in found)) throw new Error('the addon is not built');
    const cache = await repackCacheRequest(file.model, found.addon.packedLayoutVersion);
    const settings = { threads: 2, adaptsThreads: 0, instructionSet: '', maxTokens: 64, kvFormat: 'f16' as const, lora: 'carry' as const };
    const message = {
      addonPath: found.path,
      request: loadRequest(file.model, undefined, settings, cache),
      step: plainStep(file.model.config, Int32Array.of(1, 2, 3)),
      rounds: 20,
    };
    const script = fileURLToPath(new URL('./support/repack-child.mjs', import.meta.url));
    const children = Array.from({ length: 3 }, () => fork(script, { serialization: 'advanced', execArgv: [] }));
    const answers: string[] = [];
    const done = Promise.all(
      children.map(async (child) => {
        child.on('message', (answer: string) => answers.push(answer));
        child.send(message);
        const [exitCode] = await once(child, 'exit');
        return exitCode as number;
      }),
    );
    const timer = setInterval(() => {
      for (const name of existsSync(folder()) ? packed() : []) {
        try {
          truncateSync(join(folder(), name), 5000);
        } catch {
          // Replaced this moment.
        }
      }
    }, 30);
    const exitCodes = await done;
    clearInterval(timer);
    expect(exitCodes).toEqual([0, 0, 0]);
    expect(answers).toHaveLength(60);
    for (const answer of answers) expect(answer === expected || answer === 'io', answer.slice(0, 40)).toBe(true);
    expect(answers).toContain(expected);
  });
});
