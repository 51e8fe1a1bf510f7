import { InvalidArgumentError } from '@gateskip/errors';
import { encodeChat, type Model, TemplateRefusalError } from '@gateskip/model';
import { builtInTrainingPrompts } from './built-in-prompts.js';
import type { TrainingPrompt } from './training-prompt.js';

/**
 * The prompts given, or the built-in ones where none are; an empty page only where there is a token to begin with. Some
 * templates refuse system messages: the built-in conversations then go without.
 *
 * @throws InvalidArgumentError where none is left or the model has no tokenizer; TemplateError where a template cannot be asked,
 *   e.g. because it ran too long
 */
export async function usablePrompts(
  given: readonly TrainingPrompt[] | undefined,
  model: Model,
  signal?: AbortSignal,
): Promise<readonly TrainingPrompt[]> {
  if (!model.tokenizer) {
    throw new InvalidArgumentError(`Model "${model.config.name}" has no tokenizer.`, 'Take a file that holds one.', { what: 'model' });
  }
  const prompts = given ?? (await builtInPromptsFor(model, signal));
  const kept = prompts.filter((prompt) => prompt.kind !== 'document' || prompt.text !== '' || model.tokenizer?.beginToken !== undefined);
  if (kept.length > 0) return kept;
  throw new InvalidArgumentError('There is no prompt.', 'Pass at least one; an empty page counts only where the model has a begin token.', {
    what: 'prompts',
    got: prompts.length,
  });
}

async function builtInPromptsFor(model: Model, signal?: AbortSignal): Promise<readonly TrainingPrompt[]> {
  const prompts = builtInTrainingPrompts();
  const probe = prompts.find((prompt) => prompt.kind === 'chat' && prompt.messages.some(({ role }) => role === 'system'));
  if (model.chatTemplate === undefined || probe?.kind !== 'chat') return prompts;
  try {
    const messages = probe.messages.map((message) => ({ ...message }));
    await encodeChat(model, messages, { addGenerationPrompt: true, ...(signal && { signal }) });
    return prompts;
  } catch (error) {
    if (!(error instanceof TemplateRefusalError)) throw error;
    return prompts.map((prompt) =>
      prompt.kind === 'chat' ? { kind: 'chat', messages: prompt.messages.filter(({ role }) => role !== 'system') } : prompt,
    );
  }
}
