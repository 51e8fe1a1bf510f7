import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PeerAnswer, PeerRequest } from './peer-protocol.js';

// A process of its own: its threads and memory are not ours, and a crash of it ends nothing of ours.

/** The part of onnxruntime-node that is used; it is no dependency, so its types are not here. */
interface Ort {
  readonly Tensor: new (type: string, data: Float32Array | Int32Array | BigInt64Array, shape: readonly number[]) => Tensor;
  readonly InferenceSession: { create(path: string, options: object): Promise<InferenceSession> };
}
interface Tensor {
  readonly data: ArrayLike<bigint>;
}
interface InferenceSession {
  run(feeds: object, fetches: object): Promise<Readonly<Record<string, Tensor>>>;
  release(): Promise<void>;
}

/** What tools/peers/onnx/export.mjs writes beside the graph. */
interface Exported {
  readonly context: number;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly bits: number;
  readonly headBits: number;
  readonly exact: boolean;
}

interface Opened {
  readonly ort: Ort;
  readonly path: string;
  /** K/V rows of every layer, as input and as output: attention appends to them where they are. */
  readonly past: Readonly<Record<string, Tensor>>;
  readonly present: Readonly<Record<string, Tensor>>;
}

let opened: Opened | undefined;
/** Sessions by thread count, last used last. The weights are in each, so only those of decode and prefill are held. */
const sessions = new Map<number, InferenceSession>();
const mostSessions = 2;

async function answer(request: PeerRequest): Promise<PeerAnswer> {
  switch (request.command) {
    case 'open': {
      if (request.moduleUrl === undefined) throw new Error('it was not told where the module is');
      const module = (await import(request.moduleUrl)) as Ort & { readonly default?: Ort };
      const ort = module.default ?? module;
      const exported = JSON.parse(await readFile(join(request.modelPath, 'model.json'), 'utf8')) as Exported;
      const { context, layers, kvHeads, headSize, bits, headBits, exact } = exported;
      if (context < request.contextTokens)
        throw new Error(`the graph was exported for ${context} tokens of context, and ${request.contextTokens} are needed`);
      const past: Record<string, Tensor> = {};
      const present: Record<string, Tensor> = {};
      for (let layer = 0; layer < layers; layer++)
        for (const part of ['key', 'value']) {
          const rows = new Float32Array(kvHeads * request.contextTokens * headSize);
          const tensor = new ort.Tensor('float32', rows, [1, kvHeads, request.contextTokens, headSize]);
          past[`past_${part}.${layer}`] = tensor;
          present[`present_${part}.${layer}`] = tensor;
        }
      opened = { ort, path: join(request.modelPath, 'model.onnx'), past, present };
      return { details: { weightBits: bits, headBits, sameWeights: exact, accuracyLevel: 4, sharedKvBuffers: true } };
    }
    case 'decode': {
      const step = await stepper(request.threads);
      let token = await step(request.prompt, 0);
      const startedMs = performance.now();
      for (let count = 0; count < request.tokens; count++) token = await step([token], request.prompt.length + count);
      return { tokensPerSecond: request.tokens / ((performance.now() - startedMs) / 1000) };
    }
    case 'prefill': {
      const step = await stepper(request.threads);
      const startedMs = performance.now();
      await step(request.prompt, 0);
      return { tokensPerSecond: request.prompt.length / ((performance.now() - startedMs) / 1000) };
    }
  }
}

/** Runs tokens that follow `before` others, and gives the likeliest next one; the graph itself looks for it. */
async function stepper(threads: number): Promise<(tokens: readonly number[], before: number) => Promise<number>> {
  if (!opened) throw new Error('no model is open');
  const { ort, past, present } = opened;
  const session = await sessionOf(opened, threads);
  return async (tokens, before) => {
    const total = before + tokens.length;
    const feeds = {
      ...past,
      tokens: new ort.Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
      last_index: new ort.Tensor('int32', Int32Array.of(total - 1), [1]),
      total_length: new ort.Tensor('int32', Int32Array.of(total), []),
      rows: new ort.Tensor('int64', BigInt64Array.of(BigInt(tokens.length - 1)), [1]),
    };
    const { likeliest } = await session.run(feeds, { ...present, likeliest: null });
    const token = likeliest?.data[0];
    if (token === undefined) throw new Error('it gave no token');
    return Number(token);
  };
}

async function sessionOf({ ort, path }: Opened, threads: number): Promise<InferenceSession> {
  let session = sessions.get(threads);
  sessions.delete(threads);
  if (!session) {
    for (const [count, oldest] of sessions) {
      if (sessions.size < mostSessions) break;
      sessions.delete(count);
      await oldest.release();
    }
    session = await ort.InferenceSession.create(path, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    });
    sessions.set(threads, session);
    // The first run allocates.
    await (await stepper(threads))([0], 0);
    return session;
  }
  sessions.set(threads, session);
  return session;
}

process.on('message', (request: PeerRequest) => {
  answer(request)
    .catch((error: unknown): PeerAnswer => ({ error: error instanceof Error ? error.message : String(error) }))
    .then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
