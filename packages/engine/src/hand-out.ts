import type { Runner, StepResult } from '@gateskip/backend';
import type { Batch, BatchEntry } from './batch-builder.js';
import { NonFiniteLogitsError } from './errors.js';
import { Candidates } from './sampling/candidates.js';
import { LogitsRow } from './sampling/logits-row.js';
import { Sampler } from './sampling/sampler.js';
import { tokenLogprobs } from './sampling/token-logprobs.js';
import type { SequenceState } from './sequence-state.js';
import { scoresOf, shareOf } from './shares.js';
import type { TokenTexts } from './text/token-texts.js';

/** Gives every sequence of a step what is its own: statistics, what its policy learns from, and its next token. */
export class HandOut {
  private readonly sampler: Sampler;
  private readonly candidates: Candidates;
  private readonly row = new LogitsRow();

  constructor(
    private readonly runner: Runner,
    private readonly texts: TokenTexts,
  ) {
    this.sampler = new Sampler(runner.config.vocabularySize);
    this.candidates = new Candidates(runner.config.vocabularySize);
  }

  /** @throws NonFiniteLogitsError, and what a policy throws: they concern this sequence alone. */
  handOut(batch: Batch, entry: BatchEntry, result: StepResult): void {
    const { sequence, rows } = entry;
    const { position } = sequence;
    const { config } = this.runner;
    const share = shareOf(batch, entry, result, config, position);
    const branches = 2 * config.layers;
    sequence.tally.add(sequence.inPrompt, rows, share.kept, share.macs, share.denseMacs);
    sequence.trace?.add(result, entry.start, rows, batch.rows);
    sequence.position += rows;
    if (sequence.settings.budget) {
      const { kept, macs, denseMacs } = share;
      const scores = sequence.skip.wantsScores ? scoresOf(batch, entry, result.scores, branches) : undefined;
      sequence.skip.observe(scores ? { position, rows, kept, macs, denseMacs, scores } : { position, rows, kept, macs, denseMacs });
    }
    if (entry.output >= 0) this.takeToken(sequence, result, entry.output);
    else if (!sequence.wantsToken && sequence.position === sequence.knownTokens) this.finish(sequence, 'length');
  }

  private takeToken(sequence: SequenceState, result: StepResult, output: number): void {
    const { settings } = sequence;
    const row = this.row.select(result, output, this.runner.config.vocabularySize);
    const token = this.sampler.sample(row, settings.sampling, sequence.random, () => sequence.recentTokens());
    if (token < 0) throw new NonFiniteLogitsError(sequence.position - 1);
    sequence.firstTokenMs ??= performance.now();
    if (!settings.ignoreEnd && this.texts.tokenizer?.stopTokens.has(token)) {
      sequence.end();
      this.finish(sequence, 'stop');
      return;
    }
    const logprobs =
      settings.logprobs === undefined ? undefined : tokenLogprobs(row, this.candidates, token, settings.logprobs, this.texts.of);
    if (sequence.accept(token, logprobs)) this.finish(sequence, 'length');
  }

  private finish(sequence: SequenceState, reason: 'stop' | 'length'): void {
    const kv = this.runner.kvUsage(sequence.id);
    sequence.stream.finish(sequence.result(reason, kv, this.runner.backend, performance.now()));
  }
}
