import type { KvUsage, SequenceId } from '@gateskip/backend';
import type { GenerationResult, TokenLogprobs } from './api.js';
import { budgetWarnings } from './budget-warnings.js';
import type { GenerationStream } from './generation-stream.js';
import type { RequestSettings } from './request/request-settings.js';
import { Random } from './sampling/random.js';
import { leadingLogitsNeeded } from './sampling/sampling-settings.js';
import type { SkipControl } from './skip-control.js';
import { SkipTally } from './statistics.js';
import { TextAssembler } from './text/text-assembler.js';
import type { TokenTexts } from './text/token-texts.js';
import { TraceCollector } from './trace-collector.js';

/** What {@link SequenceState} is made from. */
export interface SequenceStart {
  readonly stream: GenerationStream;
  readonly settings: RequestSettings;
  readonly prompt: Int32Array;
  readonly maxTokens: number;
  readonly clamped: boolean;
  readonly skip: SkipControl;
  readonly branches: number;
  readonly vocabularySize: number;
  readonly texts: TokenTexts;
  /** performance.now() of the call to generate. */
  readonly createdMs: number;
}

/**
 * One request's life between the queue and its result. Its known tokens are the prompt and what was sampled; the first
 * `position` of them have run. Prefill, decode and recomputation after a deferral differ only in how many have not.
 */
export class SequenceState {
  readonly stream: GenerationStream;
  readonly settings: RequestSettings;
  readonly prompt: Int32Array;
  readonly maxTokens: number;
  readonly skip: SkipControl;
  readonly tally: SkipTally;
  readonly trace: TraceCollector | undefined;
  readonly random: Random;
  /** See {@link leadingLogitsNeeded}. */
  readonly leadingLogits: number;
  readonly completion: number[] = [];
  readonly logprobs: TokenLogprobs[] = [];
  /** Number of known tokens that have run. */
  position = 0;
  /** Place in the order of arrival, given when it queues. */
  order = 0;
  id: SequenceId | undefined;
  startedMs: number | undefined;
  firstTokenMs: number | undefined;
  /** Tokens drawn, the stop token included. */
  private drawn = 0;
  private readonly text: TextAssembler;

  constructor(private readonly start: SequenceStart) {
    const { settings, branches, texts } = start;
    this.stream = start.stream;
    this.settings = settings;
    this.prompt = start.prompt;
    this.maxTokens = start.maxTokens;
    this.skip = start.skip;
    this.tally = new SkipTally(branches);
    this.trace = settings.trace ? new TraceCollector(branches, start.prompt.length) : undefined;
    this.random = new Random(settings.sampling.seed);
    this.leadingLogits = leadingLogitsNeeded(settings.sampling, settings.logprobs, start.vocabularySize);
    this.text = new TextAssembler(texts, settings.stop);
  }

  get knownTokens(): number {
    return this.prompt.length + this.completion.length;
  }

  get inPrompt(): boolean {
    return this.position < this.prompt.length;
  }

  tokenAt(position: number): number {
    const answer = position - this.prompt.length;
    return (answer < 0 ? this.prompt[position] : this.completion[answer]) ?? 0;
  }

  /** Whether a sampled token is wanted once all known tokens have run. */
  get wantsToken(): boolean {
    return this.completion.length < this.maxTokens;
  }

  /** The last `repetitionWindow` tokens. */
  *recentTokens(): Iterable<number> {
    const known = this.knownTokens;
    for (let position = Math.max(0, known - this.settings.sampling.repetitionWindow); position < known; position++)
      yield this.tokenAt(position);
  }

  /** Takes a sampled token that is part of the answer and streams its text. @returns whether the answer ends with it */
  accept(token: number, logprobs: TokenLogprobs | undefined): boolean {
    this.drawn++;
    this.completion.push(token);
    if (logprobs) this.logprobs.push(logprobs);
    let text = this.text.push(token);
    const ended = this.text.stopString !== undefined || !this.wantsToken;
    if (ended) text += this.text.flush();
    this.stream.push(logprobs ? { text, tokens: [token], logprobs: [logprobs] } : { text, tokens: [token] });
    return ended;
  }

  /** The model ended the answer: streams what was held back. */
  end(): void {
    this.drawn++;
    const text = this.text.flush();
    if (text !== '') this.stream.push({ text, tokens: [] });
  }

  /** Its K/V rows are gone: everything runs again, the sampled tokens stay. */
  restart(): void {
    this.id = undefined;
    this.position = 0;
    this.skip.restart();
    this.tally.clear();
    this.trace?.clear();
  }

  result(reason: 'stop' | 'length', kv: KvUsage, backend: string, nowMs: number): GenerationResult {
    const { settings, prompt, start } = this;
    const startedMs = this.startedMs ?? nowMs;
    const firstTokenMs = this.firstTokenMs ?? nowMs;
    const prefillMs = firstTokenMs - startedMs;
    const decodeMs = nowMs - firstTokenMs;
    const stopString = this.text.stopString;
    const skip = this.tally.summary(settings.budget);
    const traced = [...prompt, ...this.completion].slice(0, this.position);
    return {
      text: this.text.text,
      tokens: this.completion,
      finishReason: stopString === undefined ? reason : 'stop',
      ...(stopString === undefined ? {} : { stopString }),
      promptTokens: prompt.length,
      completionTokens: this.completion.length,
      timings: { queuedMs: startedMs - start.createdMs, prefillMs, decodeMs },
      prefillTokensPerSecond: perSecond(prompt.length, prefillMs),
      decodeTokensPerSecond: perSecond(Math.max(0, this.drawn - 1), decodeMs),
      skip,
      policy: this.skip.policyName,
      kvRows: { used: kv.used, dense: kv.dense },
      seed: settings.sampling.seed,
      clamped: start.clamped,
      warnings: budgetWarnings(settings.budget, skip, Math.max(0, this.position - prompt.length)),
      backend,
      ...(settings.logprobs === undefined ? {} : { logprobs: this.logprobs }),
      ...(this.trace ? { trace: this.trace.finish(traced, traced.map(start.texts.of), prompt.length) } : {}),
    };
  }
}

function perSecond(tokens: number, elapsedMs: number): number {
  return elapsedMs > 0 ? (tokens * 1000) / elapsedMs : 0;
}
