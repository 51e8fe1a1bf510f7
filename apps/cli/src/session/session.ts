import type { LoadOptions } from '@gateskip/backend';
import type { Engine, GenerateRequest } from '@gateskip/engine';
import type { Model } from '@gateskip/model';
import type { Output } from '../output/output.js';
import { type ModelRequest, type OpenModel, withModel } from './with-model.js';

/** A model on a backend, ready to answer. */
export interface Session extends OpenModel {
  readonly engine: Engine;
  /** What it runs on, for people: `cpu (avx512-vnni, 2 threads)`. */
  readonly backendWords: string;
  readonly loadMs: number;
}

export interface SessionRequest extends ModelRequest {
  /** The prompt that will come first: what reads it is made ready while the weights load. */
  readonly firstPrompt?: (model: Model) => Pick<GenerateRequest, 'prompt' | 'messages'>;
}

/** Opens what a command needs, runs it, and closes everything, whatever happens. */
export async function withSession<T>(request: SessionRequest, output: Output, use: (session: Session) => Promise<T>): Promise<T> {
  // Imported while the model opens: neither waits for the other.
  void import('@gateskip/engine').catch(() => undefined);
  return withModel(request, output, async (open) => {
    const startedMs = performance.now();
    const { threads } = request.options;
    // One sequence at a time, so one context of K/V rows.
    const load = { maxTokens: open.model.config.contextLength, ...(threads !== undefined && { threads }) };
    const prompt = request.firstPrompt?.(open.model);
    if (prompt) setImmediate(() => void warmUp(open.model, prompt));
    return withEngine(open, load, output, (engine) => {
      output.progress.clear();
      return use({ ...open, engine, backendWords: backendWords(engine), loadMs: performance.now() - startedMs });
    });
  });
}

/** Loads a model onto its backend, and frees it again. */
export async function withEngine<T>(
  { model, backend, chosen, profile }: OpenModel,
  load: Omit<LoadOptions, 'adapter'>,
  output: Output,
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const { createEngine } = await import('@gateskip/engine');
  const engine = await createEngine({
    model,
    backend,
    ...(chosen && { adapter: chosen.adapter }),
    ...(profile && { profile }),
    load: {
      ...load,
      onProgress: (share) => output.progress.report('Loading the weights', share, 1, 'share'),
      signal: output.signal,
    },
  });
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

/**
 * The first use of a tokenizer builds it, the first use of a chat template starts its thread: a third of a second, spent here
 * while native threads load the weights. What fails now fails again in the engine, which says so.
 */
async function warmUp(model: Model, prompt: Pick<GenerateRequest, 'prompt' | 'messages'>): Promise<void> {
  try {
    const { renderChat } = await import('@gateskip/model');
    const rendered = prompt.messages && renderChat(model, [{ role: 'user', content: 'a' }]);
    model.tokenizer?.encode('a');
    await rendered;
  } catch {
    // Said where it matters.
  }
}

function backendWords({ runner }: Engine): string {
  const { instructionSet, threads } = runner.details;
  const parts = [instructionSet, threads === undefined ? undefined : `${threads} threads`].filter((part) => part !== undefined);
  return `${runner.backend}${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`;
}
