import type { GenerateRequest, GenerationResult } from '@gateskip/engine';
import type { Model } from '@gateskip/model';
import { UsageError } from '../errors.js';
import type { BudgetOptions } from '../options/budget-options.js';
import type { GenerationOptions } from '../options/generation-options.js';
import type { ModelOptions } from '../options/model-options.js';
import { readPrompt } from '../options/read-text.js';
import { generationRequest, needsGates, skipRequest } from '../options/requests.js';
import type { Output } from '../output/output.js';
import { statisticsLines } from '../output/statistics.js';
import { describeSession } from '../session/describe-session.js';
import { withSession } from '../session/session.js';

export interface RunOptions extends ModelOptions, BudgetOptions, GenerationOptions {
  readonly file?: string;
  readonly raw?: boolean;
  readonly system?: string;
  readonly logprobs?: number;
}

/** Answers one prompt, streaming. */
export async function run(reference: string, argument: string | undefined, options: RunOptions, output: Output): Promise<void> {
  if (options.raw && options.system !== undefined)
    throw new UsageError('--system is a part of a chat, and --raw sends the prompt as it is.', 'Leave one of them out.', {
      what: '--system',
    });
  const skip = await skipRequest(options);
  const text = await readPrompt({ argument, file: options.file }, output.io);
  if (text === undefined || text === '')
    throw new UsageError('There is no prompt.', 'Give it as an argument, with --file, or pipe it in.', { what: 'prompt' });
  const gatesNeeded = (await needsGates(skip)) ? `Budget ${options.budget}` : undefined;
  const firstPrompt = (model: Model): PromptInput => promptInput(model, text, options);
  const request = { reference, options, gatesNeeded, gatesWanted: gatesNeeded !== undefined, firstPrompt };
  await withSession(request, output, async (session) => {
    const input = firstPrompt(session.model);
    const generation = session.engine.generate({
      ...input,
      ...generationRequest(options),
      ...skip,
      ...(options.logprobs !== undefined && { logprobs: options.logprobs }),
      signal: output.signal,
    });
    let firstTextMs: number | undefined;
    let ended = '';
    for await (const chunk of generation) {
      // Since the start of the process: what a person waits.
      firstTextMs ??= performance.now();
      await output.print(chunk.text);
      if (chunk.text !== '') ended = chunk.text;
    }
    const result = await generation.result;
    if (output.isTerminal && !ended.endsWith('\n')) await output.print('\n');
    const adapterName = session.chosen?.adapter.name;
    for (const line of statisticsLines(result, session.backendWords, adapterName)) output.note(line);
    await output.document({
      ...describeResult(result),
      ...describeSession(session),
      chatTemplate: 'messages' in input,
      timings: { openMs: session.openMs, loadMs: session.loadMs, ...result.timings, ...(firstTextMs !== undefined && { firstTextMs }) },
    });
  });
}

export type PromptInput = Pick<GenerateRequest, 'prompt'> | Pick<GenerateRequest, 'messages'>;

/** The prompt as a chat where the model knows one; the newline that ends a file or a pipe is no part of what was said. */
export function promptInput(model: Model, text: string, options: { readonly raw?: boolean; readonly system?: string }): PromptInput {
  if (options.raw) return { prompt: text };
  const content = text.replace(/\r?\n$/, '');
  if (model.chatTemplate === undefined) {
    if (options.system !== undefined)
      throw new UsageError(`Model "${model.config.name}" has no chat template, so it cannot take --system.`, 'Put it into the prompt.');
    return { prompt: content };
  }
  const system = options.system === undefined ? [] : [{ role: 'system', content: options.system }];
  return { messages: [...system, { role: 'user', content }] };
}

/** A generation's numbers under the names of the command line. */
export function describeResult(result: GenerationResult): Record<string, unknown> {
  const { text, finishReason, stopString, promptTokens, completionTokens, prefillTokensPerSecond, decodeTokensPerSecond } = result;
  const { skip, kvRows, policy, seed, clamped, warnings, logprobs } = result;
  return {
    text,
    finishReason,
    ...(stopString !== undefined && { stopString }),
    promptTokens,
    completionTokens,
    prefillTokensPerSecond,
    decodeTokensPerSecond,
    skip: { ...skip, asked: skip.asked ?? null },
    netMacs: skip.held.net,
    kvRows,
    policy,
    seed,
    clamped,
    warnings,
    ...(logprobs && { logprobs }),
  };
}
