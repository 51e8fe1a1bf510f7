import { arithmeticPrompts } from './arithmetic.js';
import { everydayPrompts } from './everyday.js';
import { generalPrompts } from './general.js';
import { knowledgePrompts } from './knowledge.js';
import { openings } from './openings.js';
import { programmingPrompts } from './programming.js';
import { rewritingPrompts } from './rewriting.js';
import { systemMessages } from './system-messages.js';
import type { TrainingPrompt } from './training-prompt.js';

/** Every so many conversations begin with a system message. */
const SYSTEM_EVERY = 8;

/** Some 850 conversations and 150 beginnings of documents, all of this project's own writing. */
export function builtInTrainingPrompts(): readonly TrainingPrompt[] {
  const questions = [
    ...generalPrompts,
    ...knowledgePrompts,
    ...everydayPrompts,
    ...programmingPrompts,
    ...arithmeticPrompts,
    ...rewritingPrompts,
  ];
  const chats = questions.map((content, index): TrainingPrompt => {
    const system = systemMessages[Math.floor(index / SYSTEM_EVERY) % systemMessages.length] as string;
    const question = { role: 'user', content };
    return {
      kind: 'chat',
      messages: index % SYSTEM_EVERY === SYSTEM_EVERY - 1 ? [{ role: 'system', content: system }, question] : [question],
    };
  });
  return [...chats, ...openings.map((text): TrainingPrompt => ({ kind: 'document', text }))];
}
