import type { Runner } from '@gateskip/backend';
import { ClosedError } from '@gateskip/errors';
import type { GateAdapter, Model } from '@gateskip/model';
import type { BranchProfile } from '@gateskip/scheduler';
import type { Engine, EngineOptions, GenerateRequest, Generation } from './api.js';
import { EngineLoop } from './engine-loop.js';
import { ContextOverflowError } from './errors.js';
import { GenerationStream } from './generation-stream.js';
import { integerIn } from './request/checks.js';
import { chatTokens, promptTokens } from './request/prompt-tokens.js';
import type { RequestSettings } from './request/request-settings.js';
import { validateRequest } from './request/validate-request.js';
import { SequenceState } from './sequence-state.js';
import { checkKvMode, SkipControl } from './skip-control.js';
import { TokenTexts } from './text/token-texts.js';

/**
 * Loads a model onto a backend and batches requests on it.
 *
 * @throws InvalidArgumentError for options out of bounds, and what {@link Backend.load} throws.
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const maxRows = integerIn('maxRows', options.maxRows ?? 512, 1, 65536);
  const maxSequences = integerIn('maxSequences', options.maxSequences ?? 64, 1, 65536);
  const { model, backend, adapter, profile } = options;
  const runner = await backend.load(model, { ...options.load, ...(adapter ? { adapter } : {}) });
  return new BatchingEngine(model, runner, adapter, profile, maxRows, maxSequences);
}

class BatchingEngine implements Engine {
  private readonly loop: EngineLoop;
  private readonly texts: TokenTexts;
  /** Requests whose chat template is being rendered. */
  private readonly preparing = new Map<GenerationStream, Promise<void>>();
  private closing: Promise<void> | undefined;

  constructor(
    readonly model: Model,
    readonly runner: Runner,
    readonly adapter: GateAdapter | undefined,
    private readonly profile: BranchProfile | undefined,
    maxRows: number,
    maxSequences: number,
  ) {
    this.texts = new TokenTexts(model.tokenizer);
    this.loop = new EngineLoop(runner, this.texts, maxRows, maxSequences);
  }

  get load(): { running: number; waiting: number } {
    const { running, waiting } = this.loop.load;
    return { running, waiting: waiting + this.preparing.size };
  }

  generate(request: GenerateRequest): Generation {
    const createdMs = performance.now();
    const stream = new GenerationStream(
      (aborted) => this.forget(aborted),
      typeof request?.signal?.addEventListener === 'function' ? request.signal : undefined,
    );
    try {
      if (this.closing) throw new ClosedError('The engine');
      const settings = validateRequest(request);
      checkKvMode(settings, this.runner.capabilities.kvModes, this.runner.backend);
      stream.followSignal();
      if (stream.settled) return stream;
      const tokens = promptTokens(this.model, request);
      if (tokens) this.enqueue(stream, settings, tokens, createdMs);
      else this.preparing.set(stream, this.prepareChat(stream, request, settings, createdMs));
    } catch (error) {
      stream.fail(error);
    }
    return stream;
  }

  async idle(): Promise<void> {
    for (;;) {
      const busy = [...this.preparing.values(), ...(this.loop.activity ? [this.loop.activity] : [])];
      if (busy.length === 0) return;
      await Promise.all(busy);
    }
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async prepareChat(
    stream: GenerationStream,
    request: GenerateRequest,
    settings: RequestSettings,
    createdMs: number,
  ): Promise<void> {
    try {
      const tokens = await chatTokens(this.model, request.messages ?? [], request.signal);
      if (!stream.settled) this.enqueue(stream, settings, tokens, createdMs);
    } catch (error) {
      stream.fail(error);
    } finally {
      this.preparing.delete(stream);
    }
  }

  private enqueue(stream: GenerationStream, settings: RequestSettings, prompt: Int32Array, createdMs: number): void {
    const { config } = this.runner;
    const room = config.contextLength - prompt.length;
    const wanted = settings.maxTokens ?? room;
    if (wanted > room && settings.overflow === 'error') {
      throw new ContextOverflowError('maxTokens', prompt.length, wanted, config.contextLength);
    }
    const skip = SkipControl.create(settings, prompt.length, config, this.adapter, this.profile);
    this.loop.enqueue(
      new SequenceState({
        stream,
        settings,
        prompt,
        maxTokens: Math.min(wanted, room),
        clamped: wanted > room,
        skip,
        branches: 2 * config.layers,
        vocabularySize: config.vocabularySize,
        texts: this.texts,
        createdMs,
      }),
    );
  }

  private forget(stream: GenerationStream): void {
    this.preparing.delete(stream);
    this.loop.noteAbort(stream);
  }

  private async shutDown(): Promise<void> {
    for (const stream of [...this.preparing.keys()]) stream.abort();
    await this.loop.drain();
    await this.runner.close();
  }
}
