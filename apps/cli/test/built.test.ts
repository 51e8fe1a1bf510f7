import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, type Ended, removeProgram, start } from './support/built-program.js';
import { documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const long = join(folder, 'long.gguf');
let main = '';

beforeAll(() => {
  main = buildProgram();
  writeTinyModel(model);
  writeTinyModel(long, { contextLength: 20_000 });
});

afterAll(removeProgram);

function run(words: readonly string[], stdin = ''): Promise<Ended> {
  const started = start(main, words);
  started.child.stdin.end(stdin);
  return started.ended;
}

const document = (end: Ended) => documentOf<Record<string, unknown>>({ code: end.code ?? -1, stdout: end.stdout, stderr: end.stderr });
const errorCode = (end: Ended) => (document(end) as unknown as ErrorDocument).error.code;
/** An answer that takes far longer than any test waits. */
const endless = ['run', long, 'hello', '--backend', 'reference', '--ignore-end', '-n', '19000'];

describe('the built program', () => {
  it('starts, answers and ends', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
    const end = await run(['run', model, '--backend', 'reference', '-n', '8', '--ignore-end', '--json'], 'hello');
    expect(end).toMatchObject({ code: 0, stderr: '' });
    expect(document(end)).toMatchObject({ completionTokens: 8, backend: 'reference' });
  });

  it('answers on the native backend where it is built', async ({ skip }) => {
    const { backends } = document(await run(['backends', '--json'])) as {
      backends: { name: string; available: boolean; reasons: string[] }[];
    };
    const cpu = backends.find(({ name }) => name === 'cpu')!;
    if (!cpu.available) skip(`the cpu backend cannot run here: ${cpu.reasons.join('; ')}`);
    const end = await run(['run', model, 'hello', '--backend', 'cpu', '--threads', '1', '-n', '8', '--ignore-end', '--json']);
    expect(end.code, end.stdout + end.stderr).toBe(0);
    expect(document(end)).toMatchObject({ backend: 'cpu', completionTokens: 8, backendDetails: { threads: 1 } });
  });

  it('talks through a pipe', async () => {
    const end = await run(['chat', model, '--backend', 'reference', '-n', '6', '--ignore-end', '--json'], 'hello\nwell\n');
    expect(end.code, end.stderr).toBe(0);
    expect(document(end).turns).toHaveLength(2);
  });

  it('ends with the exit codes of its help', async () => {
    expect((await run(['run', join(folder, 'none.gguf'), 'hi'])).code).toBe(2);
    expect((await run(['run', model, 'hi', '--nonsense'])).code).toBe(2);
    const missing = start(main, ['run', model, 'hi', '--backend', 'cpu', '--json'], { GATESKIP_CPU_ADDON: join(folder, 'none.node') });
    missing.child.stdin.end();
    const end = await missing.ended;
    expect([end.code, errorCode(end)]).toEqual([3, 'GS_BACKEND_UNAVAILABLE']);
  });

  it('Ctrl-C stops an answer: exit code 130, what was said stays said', async () => {
    const started = start(main, endless);
    await started.says(/\S/);
    started.child.kill('SIGINT');
    const end = await started.ended;
    expect([end.code, end.signal]).toEqual([130, null]);
    expect(end.stdout.length).toBeGreaterThan(0);
    expect(end.stderr).toMatch(/^.* was aborted\.$/m);
    expect(end.stderr).not.toMatch(/\n\s+at /);
  });

  it('Ctrl-C while a fit runs leaves no file', async () => {
    const out = join(folder, 'gates.safetensors');
    const started = start(main, ['fit', long, '--self', '--tokens', '1000000', '--out', out, '--backend', 'reference', '--json']);
    // The check of the target makes and removes a file of its own, before the work.
    await started.says(/Writing calibration text/);
    started.child.kill('SIGINT');
    const end = await started.ended;
    expect([end.code, errorCode(end)]).toEqual([130, 'GS_ABORTED']);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  it('a reader that leaves early is no error', async () => {
    const started = start(main, endless);
    await started.says(/\S/);
    started.child.stdout.destroy();
    const end = await started.ended;
    expect([end.code, end.signal]).toEqual([0, null]);
    expect(end.stderr).not.toMatch(/EPIPE|error/);
  });

  describe('racing a peer', () => {
    const peers = join(folder, 'peers');
    const place = join(peers, 'node-llama-cpp', 'node_modules', 'node-llama-cpp');
    const words = [
      '--backend',
      'reference',
      '--quick',
      '--rounds',
      '1',
      '-n',
      '4',
      '--skip',
      '50',
      '--against',
      'node-llama-cpp',
      '--json',
    ];
    const wide = join(folder, 'wide.gguf');

    /** A peer that says `body` for each token; it speaks the part of node-llama-cpp's language that the bench does. */
    function writePeer(body: string): void {
      writeTinyModel(wide, { contextLength: 1024 });
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, 'package.json'), '{"version":"0.0.1","main":"index.mjs"}');
      writeFileSync(
        join(place, 'index.mjs'),
        `async function* evaluate(tokens) { for (let n = 0; ; n++) { await new Promise((done) => setTimeout(done, 1)); ${body} yield n; } }
        const createContext = async ({ threads }) => ({ idealThreads: threads, getSequence: () => ({ clearHistory: async () => {}, evaluate }) });
        console.log('chatter');
        export const getLlama = async () => ({ buildType: 'fake', llamaCppRelease: { release: 'r1' }, loadModel: async () => ({ createContext }) });`,
      );
    }

    async function race(body: string, more: readonly string[] = []): Promise<Ended> {
      writePeer(body);
      const started = start(main, ['bench', wide, ...words, ...more], { GATESKIP_PEERS: peers });
      started.child.stdin.end();
      return started.ended;
    }

    it('gives ratios', async () => {
      const report = document(await race('')) as { ratios: Record<string, unknown>; peers: Record<string, unknown> };
      const spread = { median: expect.any(Number), low: expect.any(Number), high: expect.any(Number) };
      expect(report.ratios).toEqual({ 'node-llama-cpp': { decode: spread, prefill512: spread } });
      expect(report.peers['node-llama-cpp']).toMatchObject({ version: '0.0.1', details: { build: 'fake', llamaCpp: 'r1' } });
    });

    it('races several, each on its own form of the weights', async () => {
      const inspected = document(await run(['inspect', writeTinyModel(wide, { contextLength: 1024 }), '--json']));
      const { fingerprint } = inspected.model as { fingerprint: string };
      const module = join(peers, 'onnxruntime-node', 'node_modules', 'onnxruntime-node');
      const exported = join(peers, 'onnxruntime-node', 'models', fingerprint.slice(0, 16));
      mkdirSync(module, { recursive: true });
      writeFileSync(join(module, 'package.json'), '{"version":"0.0.2","main":"index.js"}');
      // Checks what it is fed: the same buffer as input and output, and positions that follow each other.
      writeFileSync(
        join(module, 'index.js'),
        `class Tensor { constructor(type, data, shape) { Object.assign(this, { type, data, shape }); } }
        let length = 0;
        const run = async (feeds, fetches) => {
          if (feeds['past_key.1'] !== fetches['present_key.1'] || fetches.likeliest !== null) throw new Error('buffers are not shared');
          const [total, tokens] = [feeds.total_length.data[0], feeds.tokens.data.length];
          if (total !== tokens && total !== length + tokens) throw new Error('positions have a gap');
          length = total;
          await new Promise((done) => setTimeout(done, 1));
          return { likeliest: { data: [5n] } };
        };
        module.exports = { Tensor, InferenceSession: { create: async () => ({ run, release: async () => {} }) } };`,
      );
      const both = ['--against', 'onnxruntime-node'];
      const refused = await race('', both);
      expect(refused.code).toBe(3);
      expect(errorCode(refused)).toBe('GS_PEER_MODEL_MISSING');
      expect(refused.stdout).toContain('node tools/peers/onnx/export.mjs');

      mkdirSync(exported, { recursive: true });
      const graph = { context: 2048, layers: 2, kvHeads: 1, headSize: 4, bits: 4, headBits: 8, exact: true };
      writeFileSync(join(exported, 'model.json'), JSON.stringify(graph));
      const report = document(await race('', both)) as { ratios: Record<string, unknown>; peers: Record<string, unknown> };
      expect(Object.keys(report.ratios)).toEqual(['node-llama-cpp', 'onnxruntime-node']);
      expect(report.peers['onnxruntime-node']).toMatchObject({
        version: '0.0.2',
        details: { weightBits: 4, headBits: 8, sameWeights: true },
      });
    });

    it('says so when the peer crashes, fails, or writes too little', async () => {
      for (const [body, words] of [
        ['process.kill(process.pid, "SIGKILL");', /SIGKILL/],
        ['throw new Error("no such luck");', /no such luck/],
        ['if (n === 2) return;', /2 tokens came where/],
      ] as const) {
        const end = await race(body);
        expect(end.code).toBe(3);
        expect(errorCode(end)).toBe('GS_PEER_FAILED');
        expect(end.stdout).toMatch(words);
      }
    });
  });
});
