import type { PeerAnswer, PeerRequest } from './peer-protocol.js';

// A process of its own: its threads and memory are not ours, and a crash of it ends nothing of ours.

/** The part of node-llama-cpp that is used; it is no dependency, so its types are not here. */
interface Llama {
  loadModel(options: object): Promise<LlamaModel>;
  readonly buildType: string;
  readonly llamaCppRelease: { readonly release: string };
}
interface LlamaModel {
  createContext(options: object): Promise<{ readonly currentThreads: number; readonly idealThreads: number; getSequence(): Sequence }>;
}
interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncGenerator<number>;
}

let model: LlamaModel | undefined;
let contextTokens = 0;
/** One context per thread count: what is not asked does nothing. */
const sequences = new Map<number, Sequence>();

async function answer(request: PeerRequest): Promise<PeerAnswer> {
  switch (request.command) {
    case 'open': {
      if (request.moduleUrl === undefined) throw new Error('it was not told where the module is');
      const { getLlama } = (await import(request.moduleUrl)) as { getLlama(options: object): Promise<Llama> };
      const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', progressLogs: false, maxThreads: 0 });
      model = await llama.loadModel({ modelPath: request.modelPath, gpuLayers: 0 });
      contextTokens = request.contextTokens;
      return { details: { build: llama.buildType, llamaCpp: llama.llamaCppRelease.release } };
    }
    case 'decode': {
      const sequence = await sequenceOf(request.threads);
      let count = 0;
      let startedMs = 0;
      for await (const _ of sequence.evaluate(request.prompt, greedy)) {
        // The first token belongs to the prompt.
        if (count === 0) startedMs = performance.now();
        if (count++ === request.tokens) break;
      }
      if (count !== request.tokens + 1) throw new Error(`${count} tokens came where ${request.tokens + 1} were asked`);
      return { tokensPerSecond: request.tokens / ((performance.now() - startedMs) / 1000) };
    }
    case 'prefill': {
      const sequence = await sequenceOf(request.threads);
      const startedMs = performance.now();
      for await (const _ of sequence.evaluate(request.prompt, greedy)) break;
      return { tokensPerSecond: request.prompt.length / ((performance.now() - startedMs) / 1000) };
    }
  }
}

const greedy = { temperature: 0, yieldEogToken: true };

async function sequenceOf(threads: number): Promise<Sequence> {
  let sequence = sequences.get(threads);
  if (!sequence) {
    if (!model) throw new Error('no model is open');
    const context = await model.createContext({ threads, contextSize: contextTokens, batchSize: 512, sequences: 1 });
    if (context.idealThreads !== threads) throw new Error(`it would use ${context.idealThreads} threads where ${threads} were asked`);
    sequence = context.getSequence();
    sequences.set(threads, sequence);
  }
  await sequence.clearHistory();
  return sequence;
}

process.on('message', (request: PeerRequest) => {
  answer(request)
    .catch((error: unknown): PeerAnswer => ({ error: error instanceof Error ? error.message : String(error) }))
    .then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
