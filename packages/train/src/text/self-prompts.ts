import { builtInTrainingPrompts } from '../data/prompts/built-in-prompts.js';

/** What a model is asked where it writes its own calibration text: the built-in training prompts of a single message, in their mixed order. */
export function selfPrompts(): readonly string[] {
  return builtInTrainingPrompts().flatMap((prompt) =>
    prompt.kind === 'chat' && prompt.messages.length === 1 ? prompt.messages.map(({ content }) => content) : [],
  );
}
