import { InvalidArgumentError } from '@gateskip/errors';
import { encodeChat, type Model, type Tokenizer } from '@gateskip/model';
import { promptOrder } from './prompt-order.js';
import type { TrainingPrompt } from './training-prompt.js';

/** Tokens of the n-th prompt. A model without chat template reads the last message of a conversation as a plain text. */
export class PromptEncoder {
  private readonly promptAt: (index: number) => TrainingPrompt;
  private readonly encoded = new Map<TrainingPrompt, Int32Array>();

  constructor(
    private readonly model: Pick<Model, 'tokenizer' | 'chatTemplate' | 'config'>,
    prompts: readonly TrainingPrompt[],
    seed: number,
  ) {
    this.promptAt = promptOrder(prompts, seed);
  }

  async tokens(index: number, signal?: AbortSignal): Promise<Int32Array> {
    const prompt = this.promptAt(index);
    const known = this.encoded.get(prompt);
    if (known) return known;
    const tokens = await this.encode(prompt, signal);
    const { contextLength, name } = this.model.config;
    if (tokens.length >= contextLength) {
      const start = prompt.kind === 'document' ? prompt.text : String(prompt.messages.at(-1)?.content);
      throw new InvalidArgumentError(
        `A prompt has ${tokens.length} tokens, the context of ${name} ${contextLength}: ${JSON.stringify(start.slice(0, 60))}.`,
        'Shorten it.',
        { what: 'prompts', expected: contextLength - 1, got: tokens.length },
      );
    }
    this.encoded.set(prompt, tokens);
    return tokens;
  }

  private async encode(prompt: TrainingPrompt, signal?: AbortSignal): Promise<Int32Array> {
    const { model } = this;
    const tokenizer = model.tokenizer as Tokenizer;
    if (prompt.kind === 'chat' && model.chatTemplate !== undefined)
      return encodeChat(
        model,
        prompt.messages.map((message) => ({ ...message })),
        { addGenerationPrompt: true, ...(signal && { signal }) },
      );
    const tokens = tokenizer.encode(prompt.kind === 'chat' ? (prompt.messages.at(-1)?.content ?? '') : prompt.text);
    if (tokens.length > 0) return tokens;
    if (tokenizer.beginToken === undefined) {
      throw new InvalidArgumentError('A prompt is empty, and the model has no token to begin with.', 'Give it a text.', {
        what: 'prompts',
      });
    }
    return Int32Array.of(tokenizer.beginToken);
  }
}
