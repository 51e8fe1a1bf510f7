import type { ChatMessage, Generation, GenerationResult } from '@gateskip/engine';
import { AbortedError, isGateskipError } from '@gateskip/errors';
import { UsageError } from '../errors.js';
import type { BudgetOptions } from '../options/budget-options.js';
import type { GenerationOptions } from '../options/generation-options.js';
import type { ModelOptions } from '../options/model-options.js';
import { generationRequest, needsGates, type SkipRequest, skipRequest } from '../options/requests.js';
import type { Output } from '../output/output.js';
import { statisticsLines } from '../output/statistics.js';
import { describeSession } from '../session/describe-session.js';
import { type Session, withSession } from '../session/session.js';
import { LineReader } from './line-reader.js';
import { describeResult } from './run.js';

export interface ChatOptions extends ModelOptions, BudgetOptions, GenerationOptions {
  readonly system?: string;
}

const help = `/budget 25%   skip under this budget from now on; /budget none: dense
/stats        numbers of the last answer
/reset        forget the conversation
/help         this
/exit         leave (also Ctrl-D)
Ctrl-C stops an answer; twice at the prompt leaves.`;

/** A conversation: lines in, answers out. Works with a terminal and with a pipe. */
export async function chat(reference: string, options: ChatOptions, output: Output): Promise<void> {
  const skip = await skipRequest(options);
  const gatesNeeded = (await needsGates(skip)) ? `Budget ${options.budget}` : undefined;
  // Gates are wanted in any case: a budget may come later.
  const firstPrompt = () => ({ messages: [] });
  await withSession({ reference, options, gatesNeeded, gatesWanted: true, firstPrompt }, output, async (session) => {
    if (session.model.chatTemplate === undefined)
      throw new UsageError(`Model "${session.model.config.name}" has no chat template.`, 'Use `gateskip run` with a plain prompt.');
    await new Conversation(session, options, skip, output).run();
  });
}

class Conversation {
  private messages: ChatMessage[] = [];
  private readonly turns: unknown[] = [];
  private last: GenerationResult | undefined;
  private answering: Generation | undefined;
  private readonly lines: LineReader;

  constructor(
    private readonly session: Session,
    private readonly options: ChatOptions,
    private skip: SkipRequest,
    private readonly output: Output,
  ) {
    this.lines = new LineReader(output.io, () => {
      if (!this.answering) return false;
      this.answering.abort();
      return true;
    });
    this.reset();
  }

  async run(): Promise<void> {
    const { output, lines } = this;
    if (lines.isInteractive) output.note(`${this.session.model.config.name} on ${this.session.backendWords}. /help lists commands.`);
    try {
      for (;;) {
        const line = await lines.next('> ');
        if (line === undefined || line.trim() === '/exit') break;
        if (line.trim() === '') continue;
        try {
          if (line.startsWith('/')) await this.command(line.trim());
          else await this.answer(line);
        } catch (error) {
          // A person can go on after a mistake; a script must hear of it.
          if (!lines.isInteractive || output.signal.aborted || !isGateskipError(error)) throw error;
          output.note(`error: ${error.message}`);
        }
      }
    } finally {
      lines.close();
    }
    if (lines.interrupted || output.signal.aborted) throw new AbortedError('The chat');
    await output.document({ turns: this.turns, messages: this.messages, ...describeSession(this.session) });
  }

  private reset(): void {
    this.messages = this.options.system === undefined ? [] : [{ role: 'system', content: this.options.system }];
  }

  private async command(line: string): Promise<void> {
    const [word = '', ...rest] = line.split(/\s+/);
    const value = rest.join(' ');
    switch (word) {
      case '/help':
        return this.output.note(help);
      case '/reset':
        this.reset();
        return this.output.note('The conversation is forgotten.');
      case '/stats':
        return this.stats();
      case '/budget':
        return this.setBudget(value);
      default:
        throw new UsageError(`There is no command ${word}.`, '/help lists them.', { what: word });
    }
  }

  private stats(): void {
    if (!this.last) return this.output.note('Nothing was answered yet.');
    for (const line of statisticsLines(this.last, this.session.backendWords, this.session.chosen?.adapter.name)) this.output.note(line);
  }

  private async setBudget(value: string): Promise<void> {
    if (value === 'none' || value === 'dense') {
      this.skip = {};
      return this.output.note('Dense from now on.');
    }
    const { policy, policyOption, kv } = this.options;
    const next = await skipRequest({ budget: value, ...(policy && { policy }), ...(policyOption && { policyOption }), ...(kv && { kv }) });
    if ((await needsGates(next)) && !this.session.chosen)
      throw new UsageError(
        'There are no gates for this model, so no budget can be held.',
        'Start with --adapter; `gateskip fit` makes one.',
      );
    this.skip = next;
    this.output.note(`Budget ${value} from now on.`);
  }

  private async answer(text: string): Promise<void> {
    const { output, session } = this;
    const messages: ChatMessage[] = [...this.messages, { role: 'user', content: text }];
    const generation = session.engine.generate({
      messages,
      ...generationRequest(this.options),
      ...this.skip,
      signal: output.signal,
    });
    this.answering = generation;
    let said = '';
    try {
      for await (const chunk of generation) {
        said += chunk.text;
        await output.print(chunk.text);
      }
      const result = await generation.result;
      this.last = result;
      this.turns.push({ user: text, ...describeResult(result) });
    } catch (error) {
      if (output.signal.aborted || !(isGateskipError(error) && error.code === 'GS_ABORTED')) throw error;
      output.note('\n(stopped)');
    } finally {
      this.answering = undefined;
    }
    await output.print('\n');
    // What was said before a stop is a part of the conversation; a question without an answer is not.
    if (said !== '') this.messages = [...messages, { role: 'assistant', content: said }];
  }
}
